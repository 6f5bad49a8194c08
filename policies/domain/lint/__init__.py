"""The lint of any Kyverno policy: what is wrong with it, which of our controls it means, and what we would write instead."""

from policies.domain.lint.catalogue import LINTS, lint
from policies.domain.lint.documents import Document, Reading, Trouble, read_documents
from policies.domain.lint.intent import Intent, Sureness, recognise
from policies.domain.lint.owners import owner_of
from policies.domain.lint.policy import JUDGED_FAMILIES, Family, Policy
from policies.domain.lint.records import SEVERITIES, Lint, LintFinding, Severity
from policies.domain.lint.resolvers import action_of, readings
from policies.domain.lint.suggestion import Suggestion, suggest
from policies.domain.lint.versions import UNKNOWN, Facts, read_version

__all__ = [
    "JUDGED_FAMILIES",
    "LINTS",
    "SEVERITIES",
    "UNKNOWN",
    "Document",
    "Facts",
    "Family",
    "Intent",
    "Lint",
    "LintFinding",
    "Policy",
    "Reading",
    "Severity",
    "Suggestion",
    "Sureness",
    "Trouble",
    "action_of",
    "lint",
    "owner_of",
    "read_documents",
    "read_version",
    "readings",
    "recognise",
    "suggest",
]
