"""A mode is held when every right of it is, and unknown is never taken for held."""

import pytest

from policies.domain.cluster_rights import Asked, Held, Mode, excess, standings


def asked(*answers: bool | None, mode: Mode = Mode.FLIP) -> tuple[Asked, ...]:
    return tuple(Asked(mode, f"create kind-{n}", answer) for n, answer in enumerate(answers))


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        ((), Held.UNKNOWN),
        ((True,), Held.HELD),
        ((True, True), Held.HELD),
        ((True, None), Held.UNKNOWN),
        ((None, None), Held.UNKNOWN),
        ((True, False), Held.LACKING),
        ((None, False), Held.LACKING),
    ],
)
def test_standing_of_a_mode(answers: tuple[bool | None, ...], held: Held) -> None:
    found = {each.mode: each for each in standings(asked(*answers))}

    assert found[Mode.FLIP].held is held
    assert len(found[Mode.FLIP].lacking) == answers.count(False)
    assert len(found[Mode.FLIP].unknown) == answers.count(None)
    assert found[Mode.READ].held is found[Mode.PROBE].held is Held.UNKNOWN


def test_standings_leave_out_what_is_never_used() -> None:
    assert [each.mode for each in standings(asked(True, mode=Mode.NEVER))] == [
        Mode.READ,
        Mode.FLIP,
        Mode.PROBE,
    ]


def test_excess_names_what_is_held_and_never_used() -> None:
    secrets = asked(True, False, None, mode=Mode.NEVER)

    assert excess((*secrets, *asked(True))) == ("create kind-0",)


def test_asked_survives_being_stored() -> None:
    for each in asked(True, False, None):
        assert Asked.from_json(each.to_json()) == each
