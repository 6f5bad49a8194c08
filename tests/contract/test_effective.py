"""What policies of others do by our reading, and what a real Kyverno does by them: both must agree, shape by shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from controlplane import ControlPlane
from policies.domain.effective import Effect, Engine, Outcome, effects
from policies.domain.engines import Version
from policies.domain.lint import Policy, read_version
from policies.domain.overrides import Place
from tests.contract.clusters import RealCluster, own_name, refused
from tests.contract.planes import Plane, eventually

pytestmark = pytest.mark.controlplane

NAME = "kubernetes.io/metadata.name"
CASE = "secprof.io/case"
HOME, OTHER = "home", "other"
ENFORCE, AUDIT = "Enforce", "Audit"


def over(action: str, namespaces: Any = None, selector: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = {"action": action}
    if namespaces is not None:
        found["namespaces"] = namespaces
    if selector is not None:
        found["namespaceSelector"] = {"matchLabels": selector}
    return found


SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "audit": ({"failureAction": AUDIT}, {}),
    "enforce": ({"failureAction": ENFORCE}, {}),
    "old-enforce": ({}, {"validationFailureAction": ENFORCE}),
    "enforced-here": (
        {"failureAction": AUDIT, "failureActionOverrides": [over(ENFORCE, [HOME])]},
        {},
    ),
    "audited-here": (
        {"failureAction": ENFORCE, "failureActionOverrides": [over(AUDIT, [HOME])]},
        {},
    ),
    "by-label": (
        {"failureAction": AUDIT, "failureActionOverrides": [over(ENFORCE, None, {CASE: HOME})]},
        {},
    ),
    "name-and-other-label": (
        {
            "failureAction": AUDIT,
            "failureActionOverrides": [over(ENFORCE, [HOME], {CASE: "nobody"})],
        },
        {},
    ),
    "mixed-levels": (
        {"failureAction": AUDIT},
        {"validationFailureActionOverrides": [over(ENFORCE, [HOME])]},
    ),
    "old-overrides": (
        {},
        {
            "validationFailureAction": AUDIT,
            "validationFailureActionOverrides": [over(ENFORCE, [HOME])],
        },
    ),
    "for-all": ({"failureAction": AUDIT, "failureActionOverrides": [over(ENFORCE)]}, {}),
    "no-names": ({"failureAction": AUDIT, "failureActionOverrides": [over(ENFORCE, [])]}, {}),
}
"""By name: what its rule's `validate` says, and what its spec says beside the rules. `home` stands for a namespace."""


@dataclass(frozen=True)
class Ground:
    """Two namespaces, and every shape as a policy that looks at pods of its own case only."""

    cluster: RealCluster
    names: dict[str, str]
    policies: dict[str, dict[str, Any]]
    version: Version

    def predicted(self, shape: str, where: str) -> Effect:
        labels = {NAME: self.names[where], CASE: where}
        place = Place(self.names[where], labels)
        (found,) = effects(Policy(self.policies[shape]), [place], Engine(self.version, None))
        return found

    def is_refused(self, shape: str, where: str) -> bool:
        """Try a pod of this case out, as anybody would."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "tried", "labels": {CASE: shape}},
            "spec": {"containers": [{"name": "c", "image": "registry.invalid/c:1"}]},
        }
        namespace = self.names[where]
        return refused(lambda: self.cluster.try_out(manifest, namespace)) is not None


@pytest.fixture(scope="module")
def ground(control_plane: ControlPlane, raw_plane: Plane) -> Iterator[Ground]:
    cluster = RealCluster(control_plane, raw_plane)
    names = {where: own_name(where) for where in (HOME, OTHER)}
    for where, name in names.items():
        metadata = {"name": name, "labels": {CASE: where}}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    policies = {}
    for shape in SHAPES:
        manifest = policy(shape, names)
        policies[shape] = cluster.apply(manifest).manifest
    version = read_version(control_plane.kyverno)
    assert version is not None
    found = Ground(cluster, names, policies, version)
    # All were written before these two, which can be seen to work.
    for shape in ("old-enforce", "enforce"):
        for where in names:
            eventually(
                lambda shape=shape, where=where: found.is_refused(shape, where), bool, in_a_row=3
            )
    yield found
    cluster.clean()


def policy(shape: str, names: dict[str, str]) -> dict[str, Any]:
    validate, spec = SHAPES[shape]
    rule = {
        "name": "labelled",
        "match": {
            "any": [
                {
                    "resources": {
                        "kinds": ["Pod"],
                        "namespaces": sorted(names.values()),
                        "selector": {"matchLabels": {CASE: shape}},
                    }
                }
            ]
        },
        "validate": {
            "message": "no label",
            "pattern": {"metadata": {"labels": {"secprof.io/never": "?*"}}},
            **named(validate, names),
        },
    }
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": own_name(shape)},
        "spec": {"background": False, "rules": [rule], **named(spec, names)},
    }


def named(stated: Any, names: dict[str, str]) -> Any:
    """Put the namespace's own name in the place of `home` in lists."""
    if isinstance(stated, dict):
        return {key: named(value, names) for key, value in stated.items()}
    if isinstance(stated, list):
        return [
            names.get(each, each) if isinstance(each, str) else named(each, names)
            for each in stated
        ]
    return stated


@pytest.mark.parametrize("where", [HOME, OTHER])
@pytest.mark.parametrize("shape", SHAPES)
def test_kyverno_refuses_where_we_say_so_and_nowhere_else(
    ground: Ground, shape: str, where: str
) -> None:
    predicted = ground.predicted(shape, where)

    answer = eventually(
        lambda: ground.is_refused(shape, where),
        lambda is_refused: is_refused is (predicted.outcome is Outcome.DENIES),
        in_a_row=3,
        seconds=20,
    )

    assert answer is (predicted.outcome is Outcome.DENIES)
    assert predicted.outcome is not Outcome.UNKNOWN


def test_shapes_that_contradict_themselves_are_among_them(ground: Ground) -> None:
    found = {
        shape for shape in SHAPES if ground.predicted(shape, HOME).outcome is Outcome.INCONSISTENT
    }

    assert {"name-and-other-label", "mixed-levels"} <= found
