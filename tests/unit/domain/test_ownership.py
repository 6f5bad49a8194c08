"""From owner references to the top-level workload, whatever the references say."""

import pytest

from policies.domain.objects import ObjectMeta, OwnerReference
from policies.domain.ownership import Owned, Top, resolve_tops

DEPLOYMENT = Owned("d", "Deployment", "web", "")
REPLICA_SET = Owned("r", "ReplicaSet", "web-1", "d")
POD = Owned("p", "Pod", "web-1-x", "r")
WEB = Top("d", "Deployment", "web")


@pytest.mark.parametrize(
    ("objects", "tops"),
    [
        ([], {}),
        ([DEPLOYMENT, REPLICA_SET, POD], dict.fromkeys("drp", WEB)),
        ([POD, REPLICA_SET, DEPLOYMENT], dict.fromkeys("drp", WEB)),
        ([REPLICA_SET, POD], dict.fromkeys("rp", Top("r", "ReplicaSet", "web-1"))),
        ([POD], {"p": Top("p", "Pod", "web-1-x")}),
        # Nobody owns themselves, but a reference may say so.
        ([Owned("s", "Pod", "self", "s")], {"s": Top("s", "Pod", "self")}),
    ],
)
def test_resolve_tops_climbs_to_the_highest_known_owner(
    objects: list[Owned], tops: dict[str, Top]
) -> None:
    assert resolve_tops(objects) == tops


def test_resolve_tops_of_a_circle_ends_and_agrees() -> None:
    tops = resolve_tops([Owned("a", "Pod", "a", "b"), Owned("b", "Pod", "b", "a")])

    assert tops["a"] == tops["b"]
    assert tops["a"].uid in {"a", "b"}


OWNER = OwnerReference(kind="ReplicaSet", name="web-1", uid="r", controller=True)
FRIEND = OwnerReference(kind="ConfigMap", name="web", uid="c")


@pytest.mark.parametrize(
    ("references", "controller"),
    [(None, None), ((), None), ((FRIEND,), None), ((FRIEND, OWNER), OWNER)],
)
def test_controller_is_the_owner_that_says_so(
    references: tuple[OwnerReference, ...] | None, controller: OwnerReference | None
) -> None:
    assert ObjectMeta(owner_references=references).controller == controller
