"""What the lint says will happen does happen: its most striking findings, acted out on a real Kyverno.

Each policy is confined to a namespace of its own, and carries a sentinel that shows when it counts.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.domain.lint import Facts, lint
from policies.domain.objects import WorkloadKind
from tests.contract import planes
from tests.contract.clusters import own_name
from tests.contract.planes import Manifest, Plane, Reply, eventually
from tests.contract.shapes import GOOD_SPEC, UNSET_SPEC, namespace_of, of
from tests.unit.domain.lint.cases import cel, cel_rule, deny, rule, rules

pytestmark = pytest.mark.controlplane
plane_new = planes.plane_new

SEED = Path(__file__).parents[1] / "unit" / "domain" / "lint" / "seed"
NEWEST = Facts(kubernetes=(1, 36, 3), kyverno=(1, 19, 1))
APPARMOR = "container.apparmor.security.beta.kubernetes.io"
REFUSE_SENTINEL = rule(
    {
        "failureAction": "Enforce",
        "pattern": {"metadata": {"=(labels)": {"=(sentinel)": "!refuse"}}},
    },
    resources={"operations": ["CREATE"]},
    name="sentinel",
)


@dataclass
class Ground:
    """A namespace on the plane, and the policies that count in it."""

    plane: Plane
    namespace: str
    written: list[Manifest] = field(default_factory=list)

    def write(self, policy: Manifest) -> None:
        made = confined(policy, self.namespace)
        self.written.append(made)
        reply = self.plane.create(made)
        assert reply.ok, reply.text

    def ask(self, manifest: Manifest) -> Reply:
        return self.plane.create(manifest, self.namespace, dry_run=True)

    def await_refusal(self, manifest: Manifest) -> Reply:
        return eventually(lambda: self.ask(manifest), lambda r: not r.ok, in_a_row=3)

    def lift(self) -> None:
        while self.written:
            self.plane.delete(self.written.pop())


@pytest.fixture
def ground(plane_new: Plane) -> Iterator[Ground]:
    made = Ground(plane_new, own_name("lint"))
    assert plane_new.create(namespace_of(made.namespace)).ok
    yield made
    made.lift()
    plane_new.delete(namespace_of(made.namespace))


def confined(policy: Manifest, namespace: str) -> Manifest:
    """The policy under a name of its own, for one namespace alone."""
    made = copy.deepcopy(policy)
    made["metadata"] = {"name": namespace}
    if made["kind"] == "ValidatingPolicy":
        condition = {"name": "own", "expression": f"request.namespace == '{namespace}'"}
        made["spec"]["matchConditions"] = [condition]
    for body in made["spec"].get("rules", ()):
        match = body["match"]
        for block in [match, *match.get("any", ())]:
            if "resources" in block:
                block["resources"]["namespaces"] = [namespace]
    return made


def seed(name: str) -> Manifest:
    return yaml.safe_load((SEED / f"{name}.yaml").read_text(encoding="utf-8"))


def found(policy: Manifest) -> set[str]:
    return {finding.id for finding in lint(policy, NEWEST)}


def pod(spec: Manifest, name: str, **metadata: Any) -> Manifest:
    made = of(WorkloadKind.POD, spec, name)
    made["metadata"] |= metadata
    return made


def sentinel() -> Manifest:
    return pod(GOOD_SPEC, "sentinel", labels={"sentinel": "refuse"})


def test_question_mark_key_denies_a_good_pod_and_spares_every_cron_job(ground: Ground) -> None:
    policy = seed("seccomp")
    assert {"literal-question-key", "pattern-never-met", "cronjob-not-judged"} <= found(policy)

    ground.write(policy)

    refused = ground.await_refusal(pod(GOOD_SPEC, "good"))
    assert "template?" in refused.text
    assert not ground.ask(of(WorkloadKind.DEPLOYMENT, GOOD_SPEC, "good")).ok
    assert ground.ask(of(WorkloadKind.CRON_JOB, UNSET_SPEC, "bad")).ok


def test_wildcard_in_a_quoted_key_never_fires(ground: Ground) -> None:
    policy = seed("apparmor")
    policy["spec"]["rules"] = [policy["spec"]["rules"][1], REFUSE_SENTINEL]
    policy["spec"]["rules"][0]["match"] = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    assert {"wildcard-jmespath-key", "deny-never-fires"} <= found(policy)
    unconfined = pod(UNSET_SPEC, "bad", annotations={f"{APPARMOR}/c": "unconfined"})

    ground.write(policy)
    ground.await_refusal(sentinel())

    assert ground.ask(unconfined).ok


def test_cel_rule_without_operations_keeps_pods_from_being_deleted(ground: Ground) -> None:
    expression = "object.spec.containers.all(c, c.name != 'refused')"
    enforced = {"failureAction": "Enforce"}
    policy = rules(cel_rule(expression, resources={}, validate=enforced), REFUSE_SENTINEL)
    policy["spec"]["webhookConfiguration"] = {"failurePolicy": "Fail"}
    assert "cel-operations-missing" in found(policy)
    stays = pod(GOOD_SPEC, "stays")
    assert ground.plane.create(stays, ground.namespace).ok

    ground.write(policy)
    ground.await_refusal(sentinel())

    refused = eventually(
        lambda: ground.plane.delete(stays, ground.namespace), lambda r: not r.ok, seconds=10
    )
    assert ground.namespace in refused.text
    ground.lift()
    eventually(lambda: ground.plane.delete(stays, ground.namespace), lambda r: r.ok)


def test_old_object_compared_with_null_refuses_good_pods(ground: Ground) -> None:
    expression = "oldObject == null || object.spec != oldObject.spec"
    policy = cel(expression, validationActions=["Deny"])
    assert "old-object-null" in found(policy)

    ground.write(policy)

    refused = ground.await_refusal(pod(GOOD_SPEC, "good"))
    assert f"Policy {ground.namespace} error" in refused.text


def test_missing_validation_actions_deny(ground: Ground) -> None:
    policy = cel("object.metadata.name != 'bad'")
    del policy["spec"]["validationActions"]
    assert "actions-missing" in found(policy)

    ground.write(policy)

    ground.await_refusal(pod(GOOD_SPEC, "bad"))


def test_key_without_default_refuses_what_has_no_such_annotation(ground: Ground) -> None:
    enforced = deny("{{ request.object.metadata.annotations.team }}", "Equals", "banned")
    enforced["validate"]["failureAction"] = "Enforce"
    policy = rules(enforced)
    policy["spec"]["webhookConfiguration"] = {"failurePolicy": "Fail"}
    assert "key-without-default" in found(policy)

    ground.write(policy)

    ground.await_refusal(pod(GOOD_SPEC, "bare"))
    assert ground.ask(pod(GOOD_SPEC, "owned", annotations={"team": "web"})).ok


def test_absent_taken_for_good_requires_nothing(ground: Ground) -> None:
    level = "object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault')"
    policy = cel(f"{level} in ['RuntimeDefault', 'Localhost']", validationActions=["Deny"])
    assert "absent-counts-as-good" in found(policy)
    unconfined = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}

    ground.write(policy)
    ground.await_refusal(pod({**UNSET_SPEC, **unconfined}, "unconfined"))

    assert ground.ask(pod(UNSET_SPEC, "unset")).ok
