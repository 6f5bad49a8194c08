"""From events and conditions, as clusters send them, to denials."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from policies.domain.answers import AnswerOutcome
from policies.domain.denials import (
    Attempt,
    Condition,
    Denial,
    Event,
    Reference,
    Refusal,
    conditions_of,
    read_condition,
    read_event,
    read_refusals,
)

REFUSED, OTHER = AnswerOutcome.REFUSED, AnswerOutcome.REFUSED_BY_OTHER
ERROR, DOWN = AnswerOutcome.POLICY_ERROR, AnswerOutcome.ENGINE_DOWN
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

CPOL = 'admission webhook "validate.kyverno.svc-fail-finegrained-s-enforce" denied the request: '
SHARED = 'admission webhook "validate.kyverno.svc-fail" denied the request: '
VPOL = (
    'admission webhook "vpol.validate.kyverno.svc-fail-finegrained-s-enforce" denied the request: '
)
BLOCKED = "\n\nresource Pod/shop/web-x was blocked due to the following policies \n\n"
RULES = "s-enforce:\n  autogen-require-seccomp: 'Set it: now.'\n  deny: 'Not so.'\n"
TWO = "s-enforce:\n  require-seccomp: Set it.\ntheirs:\n  labels: Label it.\n"
NATIVE = "ValidatingAdmissionPolicy 's' with binding 's-enforce' denied request: Set it."
SILENT = 'Internal error occurred: failed calling webhook "{}": failed to call webhook: Post "https://…": refused'
FINE = "validate.kyverno.svc-fail-finegrained-s-enforce"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"Error creating: {CPOL}{BLOCKED}{RULES}",
            [
                (REFUSED, "s-enforce", "require-seccomp", "Set it: now."),
                (REFUSED, "s-enforce", "deny", "Not so."),
            ],
        ),
        (
            f"Error creating job: {SHARED}{BLOCKED}{TWO}",
            [
                (REFUSED, "s-enforce", "require-seccomp", "Set it."),
                (REFUSED, "theirs", "labels", "Label it."),
            ],
        ),
        (
            f"(combined from similar events): Error creating: {VPOL}Policy s-enforce failed: Set it.",
            [(REFUSED, "s-enforce", "", "Set it.")],
        ),
        (
            f"create Pod db-0 in StatefulSet db failed error: {VPOL}Policy s-enforce failed: Set it.",
            [(REFUSED, "s-enforce", "", "Set it.")],
        ),
        (
            'Error creating: admission webhook "vpol.validate.kyverno.svc-fail" denied the request: '
            "Policy a failed: x; Policy b failed: y",
            [(REFUSED, "a", "", "x"), (REFUSED, "b", "", "y")],
        ),
        (
            f"Error creating: {VPOL}Policy s-enforce error: no such key: seccompProfile",
            [(ERROR, "s-enforce", "", "no such key: seccompProfile")],
        ),
        (
            f'Error creating: pods "web-x" is forbidden: {NATIVE}',
            [(REFUSED, "s-enforce", "", "Set it.")],
        ),
        (
            f'Failed to create new replica set "web-1": replicasets.apps "web-1" is forbidden: {NATIVE}',
            [(REFUSED, "s-enforce", "", "Set it.")],
        ),
        # Cut in the middle: the webhook is of one policy alone.
        (f"Error creating: {CPOL}{BLOCKED}s-enf", [(REFUSED, "s-enforce", "", f"{BLOCKED}s-enf")]),
        (
            'Error creating: pods "web-x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile',
            [
                (
                    OTHER,
                    "PodSecurity",
                    "",
                    'violates PodSecurity "restricted:latest": seccompProfile',
                )
            ],
        ),
        (
            'Error creating: admission webhook "gate.example.org" denied the request: Policy s-enforce failed: no',
            [(OTHER, "gate.example.org", "", "Policy s-enforce failed: no")],
        ),
        (
            "Error creating: " + SILENT.format(FINE),
            [(DOWN, "s-enforce", "", "Error creating: " + SILENT.format(FINE))],
        ),
        (
            SILENT.format("gate.example.org"),
            [(DOWN, "gate.example.org", "", SILENT.format("gate.example.org"))],
        ),
        ('Error creating: pods "web-x" is forbidden: exceeded quota: compute', []),
        ("Error creating: etcdserver: request timed out", []),
        ("admission webhook", []),
        ('Error creating: admission webhook "gate.example.org" was odd', []),
        ("", []),
    ],
)
def test_text_names_each_policy_that_refused(text: str, expected: list[tuple[Any, ...]]) -> None:
    found = read_refusals(text)

    assert [(each.outcome, each.policy, each.rule, each.message.strip()) for each in found] == [
        (*each[:3], each[3].strip()) for each in expected
    ]


def event(**fields: Any) -> Event:
    said = {
        "metadata": {"uid": "e-1", "creationTimestamp": "2026-03-02T08:00:00Z"},
        "involvedObject": {"kind": "ReplicaSet", "namespace": "shop", "name": "web-1", "uid": "u"},
        "reason": "FailedCreate",
        "message": f"Error creating: {VPOL}Policy s-enforce failed: Set it.",
        "firstTimestamp": "2026-03-02T08:00:00Z",
        "lastTimestamp": "2026-03-02T09:00:00Z",
        "count": 7,
        **fields,
    }
    return msgspec.json.decode(json.dumps(said), type=Event)


def violation(message: str) -> Event:
    return event(
        reason="PolicyViolation",
        message=message,
        involvedObject={"kind": "ClusterPolicy", "name": "s-enforce"},
    )


def test_failed_create_is_a_controllers_and_says_how_often_and_since_when() -> None:
    (denial,) = read_event(now=NOW, event=event())

    assert denial == Denial(
        refusal=Refusal(REFUSED, "s-enforce", "", "Set it."),
        attempt=Attempt.CONTROLLER,
        event="e-1",
        namespace="shop",
        kind="ReplicaSet",
        name="web-1",
        uid="u",
        count=7,
        first_at=NOW.replace(hour=8, minute=0),
        last_at=NOW.replace(hour=9, minute=0),
        text=f"Error creating: {VPOL}Policy s-enforce failed: Set it.",
    )


def test_event_of_the_newer_api_counts_its_series() -> None:
    (denial,) = read_event(
        now=NOW,
        event=event(
            count=None,
            firstTimestamp=None,
            lastTimestamp=None,
            eventTime="2026-03-02T08:30:00.000001Z",
            series={"count": 4, "lastObservedTime": "2026-03-02T09:10:00.5Z"},
        ),
    )

    assert (denial.count, denial.first_at.minute, denial.last_at.minute) == (4, 30, 10)


def test_event_without_times_was_when_it_was_made() -> None:
    (denial,) = read_event(
        now=NOW, event=event(count=None, firstTimestamp=None, lastTimestamp=None)
    )

    assert (denial.count, denial.first_at, denial.last_at.hour) == (1, denial.last_at, 8)


def test_event_of_the_future_is_of_now_and_one_without_a_zone_is_malformed() -> None:
    (denial,) = read_event(now=NOW, event=event(lastTimestamp="9999-01-01T00:00:00Z"))
    assert denial.last_at == NOW

    with pytest.raises(msgspec.ValidationError):
        event(lastTimestamp="2026-03-02T09:00:00")


def test_event_that_never_was_is_malformed() -> None:
    with pytest.raises(ValueError, match="when"):
        read_event(
            now=NOW, event=event(metadata={"uid": "e"}, firstTimestamp=None, lastTimestamp=None)
        )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Pod shop/tried: [require-seccomp] fail (blocked); Set it.",
            ("Pod", "tried", "require-seccomp", REFUSED, "Set it."),
        ),
        (
            "Deployment shop/web: [autogen-require-seccomp] fail (blocked); Set it.",
            ("Deployment", "web", "require-seccomp", REFUSED, "Set it."),
        ),
        ("Pod shop/tried: fail (blocked); Set it.", ("Pod", "tried", "", REFUSED, "Set it.")),
        ("Pod shop/tried: error (blocked); odd", ("Pod", "tried", "", ERROR, "odd")),
    ],
)
def test_engines_event_is_an_attempt_by_hand(message: str, expected: tuple[Any, ...]) -> None:
    (denial,) = read_event(now=NOW, event=violation(message))

    refusal = denial.refusal
    assert denial.attempt is Attempt.HAND
    assert (denial.namespace, refusal.policy) == ("shop", "s-enforce")
    assert expected == (
        denial.kind,
        denial.name,
        refusal.rule,
        refusal.outcome,
        refusal.message,
    )


@pytest.mark.parametrize(
    "message",
    [
        "Pod shop/web: [require-seccomp] fail; Set it.",
        "Pod shop/secprof-probe-bad: [require-seccomp] fail (blocked); Set it.",
        "policy s-enforce/require-seccomp fail: Set it.",
        "",
    ],
)
def test_engines_event_of_a_result_or_of_our_probe_is_no_denial(message: str) -> None:
    assert read_event(now=NOW, event=violation(message)) == ()


def test_event_for_another_reason_is_no_denial() -> None:
    assert read_event(now=NOW, event=event(reason="BackOff")) == ()
    assert read_event(now=NOW, event=event(reason=None, message=None)) == ()


JOB = {
    "metadata": {"namespace": "shop", "name": "once", "uid": "u-2"},
    "status": {
        "conditions": [
            {"type": "Complete", "status": "False"},
            {
                "type": "Failed",
                "status": "True",
                "message": f"Error creating: {VPOL}Policy s-enforce failed: Set it.",
                "lastTransitionTime": "2026-03-02T07:00:00Z",
            },
        ]
    },
}


@pytest.mark.parametrize(
    ("kind", "ended"), [("Failed", True), ("FailureTarget", True), ("ReplicaFailure", False)]
)
def test_condition_does_not_count_and_holds_until_now_while_it_is_tried(
    kind: str, ended: bool
) -> None:
    job = json.loads(json.dumps(JOB).replace('"Failed"', f'"{kind}"'))
    conditions, regarding = conditions_of("Job", json.dumps(job).encode())
    (denial,) = (d for c in conditions for d in read_condition(c, regarding, now=NOW))

    assert regarding == Reference("Job", "shop", "once", "u-2")
    assert (denial.event, denial.count, denial.attempt) == (
        "condition:u-2",
        0,
        Attempt.CONTROLLER,
    )
    assert denial.first_at == NOW.replace(hour=7, minute=0)
    assert denial.last_at == (denial.first_at if ended else NOW)


def test_condition_that_is_over_is_no_denial() -> None:
    over = Condition("Failed", "False", f"{VPOL}Policy s-enforce failed: Set it.")

    assert read_condition(over, Reference(), now=NOW) == ()


@pytest.mark.parametrize(
    "item",
    [
        b'{"metadata":{},"status":{"conditions":[{"message":"BackoffLimitExceeded"}]}}',
        b'{"metadata":{},"status":{"conditions":3},"why":"denied the request"}',
        b'{"metadata":{"name":"denied the request \\"conditions\\""},"status":null}',
    ],
)
def test_object_without_such_a_condition_has_none(item: bytes) -> None:
    assert conditions_of("Job", item)[0] == ()


def test_texts_that_never_end_are_read_to_their_limit() -> None:
    long = f"Error creating: {VPOL}Policy s-enforce failed: {'x' * 100_000}"

    (denial,) = read_event(now=NOW, event=event(message=long))

    assert len(denial.text) <= 4000
    assert denial.last_at - denial.first_at == timedelta(hours=1)
