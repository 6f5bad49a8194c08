"""What a cluster's credential may do, as its page shows it."""

from dataclasses import dataclass

from policies.domain.cluster_rights import Held, Mode, Standing

SHOWN = 6
"""Missing rights that stand on the page at once."""

_TITLES = {
    Mode.READ: "Reading: collect, review, posture",
    Mode.FLIP: "Writing policies: install, flip, roll back",
    Mode.PROBE: "Dry-runs of pods: proof, rehearsal, engine",
}
_WITHOUT = {
    Mode.READ: "What it may not read stays unknown.",
    Mode.FLIP: "Without it a roll-out stops at its first dry-run.",
    Mode.PROBE: "Without it nothing can be proven.",
}


@dataclass(frozen=True, slots=True)
class ShownMode:
    """One mode as a row."""

    mode: str
    title: str
    held: Held
    first: tuple[str, ...]
    lacking: tuple[str, ...]
    note: str
    manifest: str


def shown_modes(standings: tuple[Standing, ...]) -> tuple[ShownMode, ...]:
    """Word each mode."""
    return tuple(
        ShownMode(
            mode=each.mode.value,
            title=_TITLES[each.mode],
            held=each.held,
            first=each.lacking[:SHOWN],
            lacking=each.lacking if len(each.lacking) > SHOWN else (),
            note=_note(each),
            manifest=f"deploy/rbac/{each.mode.value}.yaml",
        )
        for each in standings
    )


def _note(standing: Standing) -> str:
    if standing.held is Held.HELD:
        return "Nothing is missing."
    if standing.held is Held.UNKNOWN:
        return "Not asked yet, or not answered: test the connection."
    return _WITHOUT[standing.mode]
