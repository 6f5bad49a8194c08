"""Compares what posture says of an object with what the policies said, per variant and per control."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

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

_AT_ONCE = 2
_ASKED_AGAIN = 3
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
    asked_again: int = 0

    def add(self, other: Self) -> None:
        """Count another outcome too."""
        self.judged += other.judged
        self.refused += other.refused
        self.verdicts += other.verdicts
        self.disagreements += other.disagreements


def compare(panel: Panel, subjects: Iterable[Subject], outcome: Outcome) -> None:
    """Ask a panel about every subject, and note where posture says something else.

    An engine that is late says nothing at all, so what is disputed is asked again, alone.
    """
    every = list(subjects)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        first = [
            _judge(panel, subject, reply)
            for subject, reply in zip(every, pool.map(panel.ask, every), strict=True)
        ]
    for subject, found in zip(every, first, strict=True):
        one = found
        for _ in range(_ASKED_AGAIN):
            if not one.disagreements:
                break
            outcome.asked_again += 1
            one = _judge(panel, subject, panel.ask(subject))
        outcome.add(one)


def _judge(panel: Panel, subject: Subject, reply: Reply) -> Outcome:
    target = str(panel.target)
    if not reply.ok and not any(said(spec, reply) for spec in panel.specs):
        found = Outcome(refused=Counter([target]))
        if reply.status not in _INVALID:
            found.disagreements.append(f"{subject.id} {target}: {reply.status} {reply.text}")
        return found
    found = Outcome(judged=Counter([target]))
    if sum(map(len, reply.warnings)) > WARNING_CHARACTERS:
        found.disagreements.append(f"{subject.id} {target}: too many warnings to read")
        return found
    for spec in _answering(panel, subject, reply):
        _judge_variant(spec, subject, reply, found)
    return found


def _answering(panel: Panel, subject: Subject, reply: Reply) -> tuple[VariantSpec, ...]:
    """Pick the variants that had a say.

    Companions deny, each in a webhook of its own, and an API server hands on the words of one denial alone.
    """
    if not subject.debug or panel.target is not Target.VALIDATING_POLICY or reply.ok:
        return panel.specs
    return tuple(spec for spec in panel.specs if said(spec, reply))


def _judge_variant(spec: VariantSpec, subject: Subject, reply: Reply, found: Outcome) -> None:
    judged = subject.kind in judged_by(spec)
    wanted = expected(spec, subject) if judged else frozenset()
    heard = said(spec, reply)
    if not _agree(spec, wanted, heard):
        found.disagreements.append(
            f"{subject.id} {spec.target} {spec.template}\n  posture {sorted(wanted)}\n"
            f"  policy  {sorted(heard)}\n  object  {subject.whole}"
        )
        return
    failed = {control for control, _ in wanted}
    for control in spec.controls:
        result = "fail" if str(control) in failed else "pass" if judged else "not judged"
        found.verdicts[f"{control} {result}"] += 1


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
