"""Which stored namespaces a scope may reach: what the database can tell of it, before the scope itself is asked."""

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

from policies.domain.authority import Scope
from policies.queries.within import Among


def candidates(scope: Scope) -> Q:
    """Let through every namespace that a scope reaches on its cluster, and few others."""
    condition = Q(name=scope.namespace) if scope.namespace else Q()
    for key, values in scope.demanded_labels:
        if not _is_number(key):
            condition &= Q(Among(KeyTextTransform(key, "labels"), values))
    return condition


def _is_number(key: str) -> bool:
    """Say whether Django would take a label's name for a place in a list."""
    try:
        int(key)
    except ValueError:
        return False
    return True
