"""Plans of exceptions, and what the exemptions in a native policy mean for other plans."""

import json
from dataclasses import replace
from typing import Any

import pytest

from policies.domain.library import Target, VariantSpec, compile_objects
from policies.domain.library.exempting import with_exemptions
from policies.domain.lifecycle import FlipVerb
from policies.domain.observed import policy_digest
from policies.domain.parameters import Parameters
from policies.domain.plans import ABSENT, Plan, PlannedObject, what_moved
from tests.unit.domain.exception_cases import exemption, named

SPEC = VariantSpec(
    name="seccomp",
    target=Target.NATIVE,
    api_version="admissionregistration.k8s.io/v1",
    parameters=Parameters(),
)
IN_A = exemption(named("Deployment", "ftp"), namespace="team-a", key="a" * 12)
IN_B = exemption(named("Deployment", "ftp"), namespace="team-b", key="b" * 12)


def native(*exemptions: Any) -> dict[str, Any]:
    return compile_objects(replace(SPEC, exemptions=exemptions), ())[0].manifest


def kept(manifest: dict[str, Any]) -> PlannedObject:
    digest = policy_digest(manifest)
    return PlannedObject(
        verb="keep",
        kind=Target.NATIVE.value,
        api_version=SPEC.api_version,
        name="seccomp",
        role="audit",
        before=manifest,
        after=manifest,
        wanted=manifest,
        before_digest=digest,
        after_digest=digest,
    )


def plan(*objects: PlannedObject, verb: FlipVerb = FlipVerb.ENFORCE, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "cluster": "prod",
        "variant": "seccomp",
        "verb": verb,
        "namespaces": ("team-a",),
        "enforced_before": (),
        "enforced_after": ("team-a",),
        "objects": objects,
        "gates": (),
        "verdicts": (),
        "audit_namespace": "",
    }
    return Plan(**values | changes)


BESIDE = PlannedObject(
    verb="create",
    kind="PolicyException",
    api_version="kyverno.io/v2",
    name="secprof-aaaaaaaaaaaa",
    role="exception",
    before=None,
    after={"kind": "PolicyException"},
    wanted={"kind": "PolicyException"},
    before_digest=ABSENT,
    after_digest="d",
    namespace="kyverno",
)


# What moves


def test_exemption_elsewhere_is_no_move() -> None:
    for before, now in ((native(), native(IN_B)), (native(IN_B), native())):
        assert what_moved(plan(kept(before)), plan(kept(now))) == ()
    assert what_moved(plan(kept(native(IN_A))), plan(kept(native(IN_A, IN_B)))) == ()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (native(), native(IN_A)),
        (native(IN_A), native(IN_B)),
        (native(), {**native(), "spec": {**native()["spec"], "failurePolicy": "Ignore"}}),
        (
            native(),
            {
                **native(),
                "spec": {
                    **native()["spec"],
                    "matchConditions": [
                        *native()["spec"]["matchConditions"],
                        {"name": "exempt-1", "expression": "request.namespace != 'team-b'"},
                    ],
                },
            },
        ),
    ],
    ids=["exempt here", "another place", "another policy", "a condition of somebody else"],
)
def test_anything_else_is_a_move(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert what_moved(plan(kept(before)), plan(kept(now))) == (
        "ValidatingAdmissionPolicy seccomp on the cluster was changed.",
    )


def test_change_under_an_exception_of_its_own_is_a_move() -> None:
    approved = plan(kept(native()), verb=FlipVerb.EXEMPT, exemption=IN_A)

    assert what_moved(approved, replace(approved, objects=(kept(native(IN_B)),))) != ()


def test_object_that_is_written_is_a_move_whatever_changed() -> None:
    written = replace(kept(native()), verb="replace")

    assert what_moved(plan(written), plan(replace(kept(native(IN_B)), verb="replace"))) != ()


def test_exemptions_are_put_into_a_policy_and_nothing_else_is_touched() -> None:
    assert with_exemptions(native(), [IN_A]) == native(IN_A)
    assert with_exemptions(native(IN_A, IN_B), []) == native()


# What a plan says


@pytest.mark.parametrize(
    ("verb", "title"),
    [
        (FlipVerb.EXEMPT, "Exempt Deployment ftp from seccomp in team-a on prod"),
        (
            FlipVerb.END_EXEMPTION,
            "End the exemption of Deployment ftp from seccomp in team-a on prod",
        ),
    ],
)
def test_exempting_plan_reads_as_a_sentence(verb: FlipVerb, title: str) -> None:
    assert plan(BESIDE, verb=verb, exemption=IN_A).title == title


def test_removal_reads_as_a_sentence() -> None:
    removal = plan(verb=FlipVerb.REMOVE_EXCEPTION, removes="kyverno.io/kyverno/old")

    assert removal.title == "Remove the exception kyverno.io/kyverno/old from seccomp on prod"


def test_many_workloads_are_counted() -> None:
    many = replace(IN_A, workloads=tuple(named("Deployment", f"w{n}") for n in range(6)))

    assert "Deployment w3 and 2 more from" in plan(verb=FlipVerb.EXEMPT, exemption=many).title


def test_exempting_plan_is_read_back_as_it_was_written() -> None:
    for made in (
        plan(BESIDE, verb=FlipVerb.EXEMPT, exemption=IN_A),
        plan(BESIDE, verb=FlipVerb.REMOVE_EXCEPTION, removes="kyverno.io/kyverno/old"),
    ):
        stored = json.loads(json.dumps(made.to_json()))

        assert Plan.from_json(stored) == made
        assert Plan.from_json(stored).digest == made.digest


def test_plan_of_before_there_were_exceptions_is_read() -> None:
    stored = plan(kept(native())).to_json()
    digest = plan(kept(native())).digest
    for name in ("exemption", "removes"):
        del stored[name]
    for each in stored["objects"]:
        del each["namespace"]

    assert Plan.from_json(stored).digest == digest


def test_digest_covers_who_is_exempt_and_where_the_object_lies() -> None:
    made = plan(BESIDE, verb=FlipVerb.EXEMPT, exemption=IN_A)
    others = [
        replace(made, exemption=IN_B),
        replace(made, exemption=replace(IN_A, ends_at=IN_B.ends_at.replace(year=2031))),
        replace(made, objects=(replace(BESIDE, namespace="other"),)),
        replace(made, exemption=None, removes="x"),
    ]

    assert len({made.digest, *(each.digest for each in others)}) == 5


def test_plan_of_something_else_exempts_nobody() -> None:
    assert plan(BESIDE, verb=FlipVerb.EXEMPT, exemption=IN_A).exempted == IN_A
    with pytest.raises(ValueError, match="Nobody is exempted"):
        _ = plan(kept(native())).exempted


def test_plan_with_an_object_of_its_own_is_beside_the_policies() -> None:
    assert plan(BESIDE).is_beside_policies
    assert not plan(kept(native())).is_beside_policies
    assert not plan().is_beside_policies
