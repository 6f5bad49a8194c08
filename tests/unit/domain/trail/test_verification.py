"""Every way to tamper with a chain is found, and the first row that is not what it was is named."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.domain.trail import (
    GENESIS,
    Fault,
    KnownHead,
    TrailRecord,
    Unreadable,
    json_line,
    read_line,
    verify,
)
from tests.unit.domain.trail.chains import chain, chained, row
from tests.unit.domain.trail.test_records import JSON

COUNT = 9
CHAIN = chain(COUNT)
END = KnownHead(COUNT, CHAIN[-1].hash, "the head of noon")


def test_whole_chain_is_whole_with_and_without_heads() -> None:
    middle = KnownHead(4, CHAIN[3].hash, "an older head")

    found = verify(CHAIN, [END, middle])

    assert (found.is_whole, found.count, found.last_hash) == (True, COUNT, CHAIN[-1].hash)
    assert found.head_count == 2
    assert verify(CHAIN).is_whole


def test_nothing_at_all_is_whole_unless_a_head_says_otherwise() -> None:
    assert verify([]).is_whole
    assert verify([]).last_hash == GENESIS
    assert verify([], [KnownHead(0, GENESIS, "the first head")]).is_whole


def edit(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4] = replace(rows[4], actor="nobody")
    return rows


def edit_with_hash(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4:5] = chained([replace(rows[4], actor="nobody")], rows[3])
    return rows


def delete(rows: list[TrailRecord]) -> list[TrailRecord]:
    del rows[4]
    return rows


def delete_some(rows: list[TrailRecord]) -> list[TrailRecord]:
    del rows[4:7]
    return rows


def delete_the_first(rows: list[TrailRecord]) -> list[TrailRecord]:
    return rows[1:]


def close_the_gap(rows: list[TrailRecord]) -> list[TrailRecord]:
    del rows[4]
    return [replace(r, sequence=number) for number, r in enumerate(rows, 1)]


def close_the_gap_with_hashes(rows: list[TrailRecord]) -> list[TrailRecord]:
    return rows[:4] + chained(rows[5:], rows[3])


def insert(rows: list[TrailRecord]) -> list[TrailRecord]:
    forged = chained([row(0, actor="nobody")], rows[3])
    return rows[:4] + forged + [replace(r, sequence=number) for number, r in enumerate(rows[4:], 6)]


def insert_two(rows: list[TrailRecord]) -> list[TrailRecord]:
    forged = chained([row(0, actor="nobody"), row(0, actor="somebody")], rows[3])
    return rows[:4] + forged + [replace(r, sequence=number) for number, r in enumerate(rows[4:], 7)]


def insert_beside(rows: list[TrailRecord]) -> list[TrailRecord]:
    return rows[:5] + chained([row(0, actor="nobody")], rows[3]) + rows[5:]


def insert_before_the_first(rows: list[TrailRecord]) -> list[TrailRecord]:
    return [replace(rows[0], sequence=0), *rows]


def insert_a_copy(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[5] = replace(rows[4], sequence=6)
    return rows


def swap(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4], rows[7] = replace(rows[7], sequence=5), replace(rows[4], sequence=8)
    return rows


def swap_neighbours(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4], rows[5] = replace(rows[5], sequence=5), replace(rows[4], sequence=6)
    return rows


def swap_in_a_file(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4], rows[5] = rows[5], rows[4]
    return rows


def begin_later(rows: list[TrailRecord]) -> list[TrailRecord]:
    first, *rest = (replace(r, sequence=number) for number, r in enumerate(rows[1:], 1))
    return [
        replace(first, hash=chained([first])[0].hash, previous_hash=GENESIS),
        *rest,
    ]


def make_unreadable(rows: list[TrailRecord]) -> list[Any]:
    return [*rows[:4], Unreadable(5, "Its time is none."), *rows[5:]]


def of_no_kind(rows: list[TrailRecord]) -> list[TrailRecord]:
    rows[4] = replace(rows[4], at=None)  # type: ignore[arg-type]
    return rows


Tamper = Callable[[list[TrailRecord]], list[Any]]
TAMPERING: list[tuple[Tamper, int, Fault]] = [
    (edit, 5, Fault.EDITED),
    (edit_with_hash, 5, Fault.REWRITTEN),
    (delete, 5, Fault.DELETED),
    (delete_some, 5, Fault.DELETED),
    (delete_the_first, 1, Fault.DELETED),
    (close_the_gap, 5, Fault.REORDERED),
    (insert, 5, Fault.INSERTED),
    (insert_two, 5, Fault.INSERTED),
    (insert_beside, 5, Fault.INSERTED),
    (insert_before_the_first, 0, Fault.INSERTED),
    (insert_a_copy, 6, Fault.REORDERED),
    (swap, 5, Fault.REORDERED),
    (swap_neighbours, 5, Fault.REORDERED),
    (swap_in_a_file, 5, Fault.DELETED),
    (begin_later, 2, Fault.REORDERED),
    (make_unreadable, 5, Fault.EDITED),
    (of_no_kind, 5, Fault.EDITED),
]


@pytest.mark.parametrize(
    ("tamper", "sequence", "fault"), TAMPERING, ids=[t[0].__name__ for t in TAMPERING]
)
def test_tampering_is_found_and_the_first_broken_row_named(
    tamper: Tamper, sequence: int, fault: Fault
) -> None:
    found = verify(tamper(list(CHAIN)))

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (sequence, fault)
    assert f"ow {sequence}" in found.broken.sentence or f"ows {sequence}" in found.broken.sentence
    assert found.count == max(0, sequence - 1)


def test_chain_that_begins_with_another_row_is_found() -> None:
    foreign = chained([row(1)], row(0, message="before"))

    found = verify([replace(foreign[0])])

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (1, Fault.REWRITTEN)


@pytest.mark.parametrize("kept", range(COUNT))
def test_truncation_is_found_against_a_head(kept: int) -> None:
    rows = CHAIN[:kept]

    assert verify(rows).is_whole
    found = verify(rows, [END])

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (kept + 1, Fault.TRUNCATED)
    assert "the head of noon names row 9" in found.broken.sentence


def test_chain_made_anew_is_found_against_heads_and_bounded_by_them() -> None:
    rows = [*close_the_gap_with_hashes(list(CHAIN)), row(0)]
    rows = rows[:4] + chained(rows[4:], rows[3])
    older = KnownHead(3, CHAIN[2].hash, "an older head")

    assert verify(rows).is_whole
    found = verify(rows, [END, older])

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (9, Fault.REWRITTEN)
    assert "rows after 3 before it" in found.broken.sentence
    assert found.head_count == 1


def test_rows_that_came_after_a_head_do_not_trouble_it() -> None:
    assert verify(CHAIN, [KnownHead(2, CHAIN[1].hash, "a head")]).is_whole


texts = st.text(max_size=8)
NEW: dict[str, st.SearchStrategy[Any]] = {
    "sequence": st.integers(-3, 30),
    "at": st.integers(1, 10**9).map(lambda n: timedelta(microseconds=n)),
    "namespaces": st.lists(texts, max_size=3).map(tuple),
    "details": st.dictionaries(texts, JSON, max_size=3),
}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    at=st.integers(0, COUNT - 1),
    name=st.sampled_from([field.name for field in fields(TrailRecord)]),
    data=st.data(),
)
def test_any_single_change_of_any_field_of_any_row_is_found(
    at: int, name: str, data: st.DataObject
) -> None:
    rows = list(CHAIN)
    before = getattr(rows[at], name)
    after = data.draw(NEW.get(name, texts))
    after = before + after if name == "at" else after
    rows[at] = replace(rows[at], **{name: after})

    found = verify(rows, [END])

    assert found.is_whole == (after == before)
    if found.broken and name != "sequence":
        assert found.broken.sequence == at + 1
    if found.broken and name == "sequence":
        assert found.broken.sequence in {at + 1, after}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(COUNT)), st.integers(0, COUNT))
def test_any_other_order_or_number_of_rows_is_found(order: list[int], kept: int) -> None:
    rows = [CHAIN[place] for place in order][:kept]
    renumbered = [replace(r, sequence=number) for number, r in enumerate(rows, 1)]

    for tampered in (rows, renumbered):
        found = verify(tampered, [END])
        first_away = next((n for n, r in enumerate(tampered, 1) if r != CHAIN[n - 1]), kept + 1)

        assert found.is_whole == (tampered == CHAIN)
        if found.broken:
            assert found.broken.sequence <= first_away


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    position=st.integers(0, 4000),
    character=st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
)
def test_any_single_character_changed_in_an_exported_file_is_found(
    position: int, character: str
) -> None:
    text = "\n".join(json_line(r) for r in CHAIN)
    position %= len(text)
    changed = text[:position] + character + text[position + 1 :]

    rows: list[TrailRecord | Unreadable] = []
    for number, line in enumerate(changed.split("\n"), 1):
        try:
            rows.append(read_line(line))
        except ValueError as error:
            rows.append(Unreadable(number, str(error)))

    same = [json.loads(line) for line in text.split("\n")]
    try:
        is_same = [json.loads(line) for line in changed.split("\n")] == same
    except ValueError:
        is_same = False
    assert verify(rows, [END]).is_whole == is_same
