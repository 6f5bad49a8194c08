"""What a cluster's credential may do, as its page shows it."""

from dataclasses import dataclass

from policies.domain.cluster_rights import Held, Mode, Standing

SHOWN = 6
"""Resources with missing rights that stand on the page at once."""

_TITLES = {
    Mode.READ: "Read",
    Mode.FLIP: "Write policies",
    Mode.PROBE: "Dry-run pods",
}
_WITHOUT = {
    Mode.READ: "What it may not read stays unknown.",
    Mode.FLIP: "Without these a roll-out stops at its first dry-run.",
    Mode.PROBE: "Without this nothing can be proven or rehearsed.",
}


@dataclass(frozen=True, slots=True)
class ShownMode:
    """One mode as a row."""

    mode: str
    title: str
    held: Held
    first: tuple[str, ...]
    more: tuple[str, ...]
    note: str
    manifest: str


def shown_modes(standings: tuple[Standing, ...]) -> tuple[ShownMode, ...]:
    """Word each mode."""
    return tuple(
        ShownMode(
            mode=each.mode.value,
            title=_TITLES[each.mode],
            held=each.held,
            first=grouped(each.lacking)[:SHOWN],
            more=grouped(each.lacking)[SHOWN:],
            note=_note(each),
            manifest=f"deploy/rbac/{each.mode.value}.yaml",
        )
        for each in standings
    )


def grouped(rights: tuple[str, ...]) -> tuple[str, ...]:
    """Bring the verbs of each resource together: `create, update pods`."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verb, _, resource = right.partition(" ")
        verbs.setdefault(resource, []).append(verb)
    return tuple(f"{', '.join(found)} {resource}" for resource, found in verbs.items())


def _note(standing: Standing) -> str:
    if standing.held is Held.HELD:
        return "Nothing is missing."
    if standing.held is Held.UNKNOWN:
        return "Not asked yet, or not answered: test the connection."
    return _WITHOUT[standing.mode]
