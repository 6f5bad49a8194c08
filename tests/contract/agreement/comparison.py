"""Compares what posture says of an object with what the policies said, per variant and per control."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec

from policies.domain.library import (
    Target,
    VariantSpec,
    checks_of,
    judged_by,
    names_at_fault,
)
from policies.domain.objects import STRUCT_BY_KIND
from policies.domain.posture import UnreadablePodSpec, assess
from tests.contract.agreement.panel import WARNING_CHARACTERS, Panel, said
from tests.contract.agreement.subjects import Subject
from tests.contract.planes import Reply

_AT_ONCE = 4
_INVALID = (400, 422)
Words = frozenset[tuple[str, str]]


@dataclass
class Outcome:
    """What came of it."""

    judged: Counter[str] = field(default_factory=Counter)
    """Objects that the API server took, by kind of policy."""
    refused: Counter[str] = field(default_factory=Counter)
    """Objects that the API server itself would not have, by kind of policy."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Controls on which both agreed, by control and result."""
    disagreements: list[str] = field(default_factory=list)


def compare(panel: Panel, subjects: Iterable[Subject], outcome: Outcome) -> None:
    """Ask a panel about every subject, and note where posture says something else."""
    every = list(subjects)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for subject, reply in zip(every, pool.map(panel.ask, every), strict=True):
            _note(panel, subject, reply, outcome)


def _note(panel: Panel, subject: Subject, reply: Reply, outcome: Outcome) -> None:
    target = str(panel.target)
    if not reply.ok and not any(said(spec, reply) for spec in panel.specs):
        outcome.refused[target] += 1
        if reply.status not in _INVALID:
            outcome.disagreements.append(f"{subject.id} {target}: {reply.status} {reply.text}")
        return
    outcome.judged[target] += 1
    if sum(map(len, reply.warnings)) > WARNING_CHARACTERS:
        outcome.disagreements.append(f"{subject.id} {target}: too many warnings to read")
        return
    for spec in _answering(panel, subject, reply):
        _note_variant(spec, subject, reply, outcome)


def _answering(panel: Panel, subject: Subject, reply: Reply) -> tuple[VariantSpec, ...]:
    """Pick the variants that had a say.

    Companions deny, each in a webhook of its own, and an API server hands on the words of one denial alone.
    """
    if not subject.debug or panel.target is not Target.VALIDATING_POLICY or reply.ok:
        return panel.specs
    return tuple(spec for spec in panel.specs if said(spec, reply))


def _note_variant(spec: VariantSpec, subject: Subject, reply: Reply, outcome: Outcome) -> None:
    judged = subject.kind in judged_by(spec)
    wanted = expected(spec, subject) if judged else frozenset()
    heard = said(spec, reply)
    if not _agree(spec, wanted, heard):
        outcome.disagreements.append(
            f"{subject.id} {spec.target} {spec.template}\n  posture {sorted(wanted)}\n"
            f"  policy  {sorted(heard)}\n  object  {subject.whole}"
        )
        return
    failed = {control for control, _ in wanted}
    for control in spec.controls:
        result = "fail" if str(control) in failed else "pass" if judged else "not judged"
        outcome.verdicts[f"{control} {result}"] += 1


def expected(spec: VariantSpec, subject: Subject) -> Words:
    """Give the controls that fail by posture, with the message that names who is at fault."""
    workload = msgspec.convert(subject.whole, type=STRUCT_BY_KIND[subject.kind])
    try:
        posture = assess(
            subject.kind, workload, parameters=spec.parameters, mechanisms=spec.mechanisms
        )
    except UnreadablePodSpec as error:
        return frozenset({("unreadable", str(error))})
    return frozenset(
        (str(check.control), check.message_for(names))
        for check in checks_of(spec)
        if (names := names_at_fault(posture, check.control))
    )


def _agree(spec: VariantSpec, wanted: Words, heard: Words) -> bool:
    if spec.target is not Target.VALIDATING_POLICY or not wanted:
        return wanted == heard
    # A ValidatingPolicy stops at the first check that fails.
    order = [str(check.control) for check in checks_of(spec)]
    first = min(wanted, key=lambda word: order.index(word[0]) if word[0] in order else -1)
    return heard == {first}
