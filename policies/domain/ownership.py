"""From the owner references of one cluster to the top-level workload of each object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owned:
    """One object of the nine kinds and the uid of its controller (empty when nothing controls it)."""

    uid: str
    kind: str
    name: str
    controller_uid: str


@dataclass(frozen=True, slots=True)
class Top:
    """The highest known owner of an object; itself when nothing that we know controls it."""

    uid: str
    kind: str
    name: str


def resolve_tops(objects: Iterable[Owned]) -> Mapping[str, Top]:
    """Map each uid to its top-level workload.

    A controller that is not among the objects (a custom kind, or one already deleted) ends the climb.
    """
    known = {o.uid: o for o in objects}
    tops: dict[str, Top] = {}
    for uid in known:
        climbed: list[str] = []
        at = uid
        while at not in tops and at not in climbed:
            climbed.append(at)
            above = known[at].controller_uid
            if above not in known:
                break
            at = above
        top = tops.get(at) or Top(at, known[at].kind, known[at].name)
        for passed in climbed:
            tops[passed] = top
    return tops
