"""What leaves: lines that come back as the same rows, and cells that no spreadsheet calculates."""

import hashlib
import json
import subprocess
from typing import Any

import pytest

from policies.domain.trail import CSV_HEADER, csv_cells, json_line, read_line
from tests.unit.domain.trail.chains import chain, chained, row

ROW = chained([row(1, message="Größe 😀", details={"z": 1, "a": [True]})])[0]


def test_line_comes_back_as_the_same_row() -> None:
    line = json_line(ROW)

    assert "\n" not in line
    assert read_line(line) == ROW
    assert json.loads(line).keys() == {"form", *CSV_HEADER}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "no JSON"),
        ("[1]", "fields of a row"),
        ('{"sequence": 1, "sequence": 2}', "no JSON"),
        (json.dumps({**json.loads(json_line(ROW)), "more": 1}), "fields of a row"),
        *(
            (json.dumps({**json.loads(json_line(ROW)), **changes}), words)
            for changes, words in (
                ({"form": 2}, "form that this version"),
                ({"sequence": "1"}, "wrong kind"),
                ({"sequence": True}, "wrong kind"),
                ({"details": []}, "wrong kind"),
                ({"actor": 5}, "wrong kind"),
                ({"namespaces": "shop"}, "wrong kind"),
                ({"namespaces": [1]}, "wrong kind"),
                ({"at": "noon"}, "time cannot"),
                ({"at": "2026-03-01T12:01:00"}, "as a row's is"),
                ({"at": "2026-03-01T12:01:00.25Z"}, "as a row's is"),
            )
        ),
    ],
)
def test_line_that_holds_no_row_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_line(line)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001
@pytest.mark.parametrize("name", ["actor", "message", "variant", "cluster"])
def test_cell_that_begins_as_a_formula_does_is_text(start: str, name: str) -> None:
    cells = csv_cells(chained([row(1, **{name: f"{start}cmd|'/c calc'!A1"})])[0])

    assert cells[CSV_HEADER.index(name)].startswith(f"'{start}")


def test_cells_hold_every_field_in_the_order_of_the_header() -> None:
    cells: dict[str, Any] = dict(zip(CSV_HEADER, csv_cells(ROW), strict=True))

    assert cells["sequence"] == "1"
    assert cells["at"] == "2026-03-01T12:01:00.250000Z"
    assert cells["namespaces"] == "shop"
    assert cells["details"] == '{"a":[true],"z":1}'
    assert cells["hash"] == ROW.hash


@pytest.mark.jq
def test_hash_of_a_line_is_what_jq_and_sha256_make_of_it() -> None:
    lines = [json_line(each) for each in [*chain(3), ROW]]
    written = subprocess.run(
        ["jq", "-cS", "del(.hash)"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )

    hashes = [hashlib.sha256(line.encode()).hexdigest() for line in written.stdout.splitlines()]

    assert hashes == [json.loads(line)["hash"] for line in lines]
