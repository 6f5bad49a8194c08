"""Findings of the lint as pages show them: one entry a flaw, notes beside the lines, and the diff to our template."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from policies.domain.lint import (
    JUDGED_FAMILIES,
    SEVERITIES,
    Document,
    Facts,
    Family,
    Intent,
    LintFinding,
    Policy,
    Severity,
    Sureness,
    Trouble,
    action_of,
    lint,
    read_documents,
    recognise,
    suggest,
)
from policies.domain.lint.documents import lines_of
from policies.domain.plans import manifest_text, object_diff
from policies.web.presenters.diffs import Block, diff_blocks

DOCUMENTS_SHOWN = 25
FOLD_FROM = 400
"""Texts of more lines show only what lies near a finding."""
NEAR = 4

_SURE = {
    Sureness.CERTAIN: "Certainly",
    Sureness.LIKELY: "Probably",
    Sureness.POSSIBLE: "Perhaps",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flaw stands."""

    path: str
    rule: str
    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """One lint of one policy, with all its places."""

    key: str
    """For the address within the page."""
    id: str
    severity: Severity
    title: str
    what_happens: str
    since: str
    fix: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A flaw beside its line."""

    key: str
    severity: Severity
    title: str


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of a policy, with what is wrong on it; `skipped_count` lines were left out before it."""

    number: int
    text: str
    worst: str
    notes: tuple[Note, ...]
    skipped_count: int = 0


@dataclass(frozen=True, slots=True)
class Meant:
    """One control that a policy means, in words."""

    control: str
    sure: str
    because: str
    note: str


@dataclass(frozen=True, slots=True)
class Instead:
    """What our template would write."""

    name: str
    template: str
    kind: str
    text: str
    blocks: tuple[Block, ...]
    query: str
    """The query that fills in the form of a new variant."""


@dataclass(frozen=True, slots=True)
class Linted:
    """One policy, as the lint saw it."""

    key: str
    number: int
    item: int
    line: int
    kind: str
    name: str
    action: str
    state: str
    """`judged`, `foreign` (a Kyverno kind that the lint does not know) or `other`."""
    flaws: tuple[Flaw, ...]
    meant: tuple[Meant, ...]
    instead: Instead | None

    @property
    def counts(self) -> tuple[tuple[Severity, int], ...]:
        """How many places there are of each severity, those without any left out."""
        found = [(s, sum(len(f.places) for f in self.flaws if f.severity is s)) for s in SEVERITIES]
        return tuple((severity, count) for severity, count in found if count)


@dataclass(frozen=True, slots=True)
class LintedText:
    """Everything that was found in one text."""

    policies: tuple[Linted, ...]
    hidden_count: int
    troubles: tuple[Trouble, ...]
    lines: tuple[TextLine, ...]
    is_empty: bool


def linted_text(text: str, facts: Facts, *, cluster_id: int | None = None) -> LintedText:
    """Lint what somebody pasted."""
    read = read_documents(text)
    shown = read.documents[:DOCUMENTS_SHOWN]
    policies = tuple(_linted(document, facts, cluster_id) for document in shown)
    return LintedText(
        policies,
        len(read.documents) - len(shown),
        read.troubles,
        text_lines(text, policies),
        is_empty=not read.documents and not read.troubles,
    )


def linted_manifest(
    manifest: Mapping[str, Any], facts: Facts, *, cluster_id: int
) -> tuple[Linted, tuple[TextLine, ...]]:
    """Lint one policy of a cluster, beside its text without the server's bookkeeping."""
    text = manifest_text(dict(manifest))
    (document,) = read_documents(text).documents or (Document(1, 0, 1, manifest, {}),)
    # The text has no uid and no version; the lint has to know that a server filled in the defaults.
    stored = Document(1, 0, 1, manifest, document.lines)
    found = _linted(stored, facts, cluster_id)
    return found, text_lines(text, (found,))


def _linted(document: Document, facts: Facts, cluster_id: int | None) -> Linted:
    policy = Policy(document.manifest)
    key = f"{document.number}-{document.item}"
    # What ours means stands on the page of its variant.
    intents = () if policy.is_ours else recognise(policy)
    return Linted(
        key=key,
        number=document.number,
        item=document.item,
        line=document.line,
        kind=policy.kind or "no kind",
        name=policy.name or "without a name",
        action=action_of(policy),
        state=_state(policy),
        flaws=_flaws(lint(document.manifest, facts), document, key),
        meant=tuple(_meant(intent) for intent in intents),
        instead=_instead(policy, intents, facts, cluster_id),
    )


def _state(policy: Policy) -> str:
    if policy.family in JUDGED_FAMILIES:
        return "judged"
    return "foreign" if policy.family is Family.FOREIGN else "other"


def _flaws(findings: Iterable[LintFinding], document: Document, key: str) -> tuple[Flaw, ...]:
    grouped: dict[tuple[str, Severity], list[LintFinding]] = defaultdict(list)
    for finding in findings:
        grouped[finding.id, finding.severity].append(finding)
    return tuple(_flaw(same, document, key) for same in grouped.values())


def _flaw(same: Sequence[LintFinding], document: Document, key: str) -> Flaw:
    first = same[0]
    places = tuple(
        Place(finding.path, finding.rule, document.line_of(finding.steps), finding.detail)
        for finding in same
    )
    return Flaw(
        key=f"{key}-{first.id}",
        id=first.id,
        severity=first.severity,
        title=first.title,
        what_happens=first.what_happens,
        since=first.since,
        fix=first.fix,
        places=places,
    )


def text_lines(text: str, policies: Sequence[Linted]) -> tuple[TextLine, ...]:
    """Put each flaw beside the lines where it stands; of a long text only what lies near one is kept."""
    notes: dict[int, list[Note]] = defaultdict(list)
    for flaw in (flaw for policy in policies for flaw in policy.flaws):
        for line in dict.fromkeys(place.line for place in flaw.places):
            notes[line].append(Note(flaw.key, flaw.severity, flaw.title))
    written = lines_of(text.rstrip("\r\n")) if text else []
    kept = _kept(len(written), notes)
    lines: list[TextLine] = []
    last = 0
    for number in kept:
        beside = tuple(notes[number]) if number in notes else ()
        worst = min((n.severity for n in beside), key=SEVERITIES.index, default="")
        skipped = number - last - 1
        lines.append(TextLine(number, written[number - 1], str(worst), beside, skipped))
        last = number
    return tuple(lines)


def _kept(count: int, notes: Mapping[int, object]) -> Sequence[int]:
    if count <= FOLD_FROM:
        return range(1, count + 1)
    near = {n for line in notes for n in range(line - NEAR, line + NEAR + 1)}
    return sorted(n for n in near if 1 <= n <= count)


def _meant(intent: Intent) -> Meant:
    return Meant(intent.control.value, _SURE[intent.sureness], intent.because, intent.note)


def _instead(
    policy: Policy, intents: Sequence[Intent], facts: Facts, cluster_id: int | None
) -> Instead | None:
    found = suggest(policy, intents, facts)
    if found is None:
        return None
    spec = found.spec
    audit = found.objects[0].manifest
    values = {
        "name": spec.name,
        "template": spec.template,
        "controls": ",".join(control.value for control in spec.controls),
        "target": spec.target.value,
    }
    if cluster_id is not None:
        values["cluster"] = str(cluster_id)
    return Instead(
        spec.name,
        spec.template,
        f"{spec.target.value} {spec.api_version}",
        manifest_text(audit),
        diff_blocks(object_diff(dict(policy.manifest), audit)),
        urlencode(values),
    )
