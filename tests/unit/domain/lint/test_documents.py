"""What is pasted: YAML, JSON and Lists with their lines; what is broken is named, and what is hostile is refused."""

import json

import pytest

from policies.domain.lint import read_documents
from policies.domain.lint.documents import DEPTH_LIMIT, DOCUMENT_LIMIT, SIZE_LIMIT

GOOD = "kind: A\nmetadata:\n  name: one\n"


def test_read_documents_several_each_with_its_lines() -> None:
    read = read_documents(f"# a comment\n---\n{GOOD}---\n\n{GOOD}")

    first, second = read.documents
    assert (first.number, first.line_of(("metadata", "name"))) == (1, 5)
    assert (second.number, second.line_of(("metadata", "name"))) == (2, 10)
    assert read.troubles == ()


def test_read_documents_field_that_is_not_there_stands_at_what_holds_it() -> None:
    (read,) = read_documents(GOOD).documents

    assert read.line_of(("metadata", "labels", "x")) == 2
    assert read.line_of(("spec",)) == 1


def test_read_documents_broken_one_is_named_and_the_rest_is_read() -> None:
    read = read_documents(f"{GOOD}---\na: [1\nb: 2\n---\n{GOOD}")

    assert [d.number for d in read.documents] == [1, 3]
    (trouble,) = read.troubles
    assert (trouble.number, trouble.line) == (2, 6)
    assert trouble.message.startswith("This is no YAML or JSON:")


def test_read_documents_list_gives_its_items() -> None:
    text = json.dumps({"kind": "List", "items": [{"kind": "A"}, 3, {"kind": "B"}]}, indent=1)

    read = read_documents(text)

    assert [(d.number, d.item, d.manifest["kind"]) for d in read.documents] == [
        (1, 1, "A"),
        (1, 3, "B"),
    ]
    assert [d.line for d in read.documents] == [4, 8]
    assert [t.message for t in read.troubles] == ["Item 2 of the List is no object."]


def test_read_documents_lines_of_a_browser_are_counted_once() -> None:
    (read,) = read_documents(GOOD.replace("\n", "\r\n")).documents

    assert read.line_of(("metadata", "name")) == 3


def test_read_documents_json_with_tabs_is_read() -> None:
    (read,) = read_documents('{\n\t"kind": "A"\n}').documents

    assert read.manifest == {"kind": "A"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x\n", "uses the alias *x"),
        ("a: " + "[" * (DEPTH_LIMIT + 1), "nested deeper than"),
        ("{" * 100_000, "nested deeper than"),
        ("- 1\n", "no object"),
        ("\ufeff\ufeff\n", "no object"),
        ("just words", "no object"),
        ("? [a]\n: 1\n", "A key of a mapping must be a plain text."),
        ("a: 1\n<<: {b: 2}\n", "A key of a mapping must be a plain text."),
        ("a: \x00", "no YAML or JSON"),
        ("a: 1\na: 2\n", "stands here twice"),
        ("x" * (SIZE_LIMIT + 1), "larger than 1024 KiB"),
        ("---\na: 1\n" * (DOCUMENT_LIMIT + 1), f"first {DOCUMENT_LIMIT} documents"),
    ],
)
def test_read_documents_what_is_wrong_is_said(text: str, words: str) -> None:
    read = read_documents(text)

    assert words in read.troubles[0].message


def test_read_documents_values_are_what_an_api_server_reads() -> None:
    text = (
        "a: 2024-01-01\nb: yes\nc: 0x10\nd: !!python/object:os.system x\ne:\n1: f\ng: !!int many\n"
    )

    (read,) = read_documents(text).documents

    assert read.manifest == {
        "a": "2024-01-01",
        "b": True,
        "c": 16,
        "d": "x",
        "e": None,
        "1": "f",
        "g": "many",
    }


@pytest.mark.parametrize(
    "text", ["", "\n\n", "---\n---\n", "# nothing\n", "\ufeff", "%YAML 1.1\n---\n...\n"]
)
def test_read_documents_nothing_gives_nothing(text: str) -> None:
    read = read_documents(text)

    assert (read.documents, read.troubles) == ((), ())
