"""Files as documents: every notation, what hides in them, and problems that stay with their document."""

import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.manifests import documents
from policies.domain.manifests.documents import read_documents
from policies.domain.manifests.records import NotUnderstood

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}


def read(text: str | bytes) -> list[Any]:
    """Give the kind of each document, None for an empty one, and what is wrong as (line, message)."""
    content = text.encode() if isinstance(text, str) else text
    found = list(read_documents(content))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [
        (one.line, one.message) if isinstance(one, NotUnderstood) else one and one.kind
        for _, one in found
    ]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", []),
        ("# nothing\n", []),
        ("kind: A", ["A"]),
        ("---\nkind: A\n---\nkind: B\n", ["A", "B"]),
        ("# who\n---\n# what\nkind: A\n", ["A"]),
        ("%YAML 1.1\n---\nkind: A\n", ["A"]),
        ("kind: A\n...\n---\nkind: B\n", ["A", "B"]),
        ("kind: A\n---\n---\nkind: B\n", ["A", None, "B"]),
        ("--- # note\nkind: A\n", ["A"]),
        ("--- {kind: A}\n", ["A"]),
        ("kind: A\r\n---\r\nkind: B\r\n", ["A", "B"]),
        ("\ufeffkind: A\n", ["A"]),
        ("text: |\n  ---\nkind: A\n", ["A"]),
        ("- kind: A\n", [""]),
        ("null\n", [None]),
        ("{kind: A, metadata: {}}\n", ["A"]),
        ('{"kind": "A"}', ["A"]),
        ('{"kind": "A"}\n{"kind": "B"}\n', ["A", "B"]),
        ('---\n{"kind": "A"}\n---\n{"kind": "B"}\n', ["A", "B"]),
        ('\ufeff{"kind": "Ä"}', ["Ä"]),
        ('{"a": "Ä"} {"kind": "B"}', ["", "B"]),
        ('[{"kind": "A"}]', [""]),
        ('{"kind": 5}', [""]),
    ],
)
def test_documents_are_found_in_every_notation(text: str, kinds: list[str | None]) -> None:
    assert read(text) == kinds


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"kind: A\n\0", 2, "binary"),
        ("kind: A\n".encode("utf-16"), 1, "UTF-16"),
        (b"kind: A\nname: \xff\n", 2, "not UTF-8"),
        (b"kind: A\nname: \x07\n", 2, "control characters"),
        (b"a:\n\t- b\n", 2, "cannot start any token"),
        (b"a: [b\n", 2, "cannot be read"),
        (b"a: 1\nb: 2\na: 3\n", 3, "'a' stands twice"),
        (b"a: *b\n", 1, "stands for nothing"),
        (b"a: &a [*a]\n", 1, "stands for nothing"),
        (b"a:\n  b: !Ref c\n", 2, "no tag !Ref"),
        (b"a: !Map {b: c}\n", 1, "no tag !Map"),
        (b"<<: 5\n", 1, "is no map"),
        (b"{a: b}: c\n", 1, "is no text"),
        (b"a: " + b"[" * 100_000, 1, "nested deeper"),
        (b"- " * 100_000, 1, "nested deeper"),
        (b'{"kind": "A",\n "b": ]', 2, "Expecting value"),
        (b"{kind: A,\n b: ]", 2, "did not find expected node"),
        (b'{"a": ' * 100_000, 1, "nested too deeply"),
        (b'{"a": ' + b"9" * (2 << 20) + b"}", 1, "too long a number"),
    ],
)
def test_document_that_cannot_be_read_has_a_line_and_words(
    content: bytes, line: int, words: str
) -> None:
    ((at, message),) = read(content)

    assert at == line
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "kind: A\n{{- if .Values.on }}\nname: b\n{{- end }}\n",
        "kind: A\nmetadata:\n  name: {{ .Release.Name }}\n",
        "{{ .Values.all }}\n",
        "{{- range .Values.all }}\nkind: A\n{{- end }}\n",
    ],
)
def test_template_that_is_not_rendered_says_so(text: str) -> None:
    ((_, message),) = read(text)

    assert "looks like a template, of Helm perhaps: render it first" in message


def test_template_in_a_text_is_no_problem() -> None:
    assert read('kind: A\ndata:\n  rule: "{{ $labels.pod }}"\n') == ["A"]


def test_broken_document_hides_none_of_its_neighbours() -> None:
    found = read("kind: A\n---\n\nkind: [\n---\nkind: C\n")

    assert [found[0], found[2]] == ["A", "C"]
    assert found[1][0] == 5


def test_json_after_a_broken_one_is_lost_and_said() -> None:
    assert read('{"kind": "A"}\n{"kind": }\n{"kind": "C"}') == [
        "A",
        (2, "The JSON cannot be read: Expecting value."),
    ]


def test_aliases_are_taken_and_must_not_grow_without_bounds() -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    ((line, message),) = read("\n".join(bomb))

    assert line == 6
    assert "Aliases stand for more than 1000000 values" in message
    assert read("base: &b {x: 1}\nkind: A\nmore: [*b, *b]\n") == ["A"]


def test_yaml_document_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_YAML", 10)

    ((_, message),) = read("kind: Deployment\n")

    assert "write it as JSON, or split it" in message


def plain(text: str) -> Any:
    ((_, found),) = read_documents(text.encode())
    assert not isinstance(found, NotUnderstood)
    assert found is not None
    return found.plain()


def test_yaml_words_mean_what_kubernetes_takes_them_for() -> None:
    text = """\
        day: 2026-01-01
        time: 12:30:45
        yes: yes
        off: Off
        none:
        tilde: ~
        octal: 0644
        also: 0o17
        hex: 0x1f
        large: 1_000
        less: -7
        half: .5
        power: 1e3
        version: 1.30.1
        dash: "-"
        quoted: "1"
        tagged: !!str 5
        bare: ! 5
        number: !!int "5"
        long: 11111111111111111111111111111111111111111
        1: one
        """

    assert plain(dedent(text)) == {
        "day": "2026-01-01",
        "time": "12:30:45",
        "yes": True,
        "off": False,
        "none": None,
        "tilde": None,
        "octal": 0o644,
        "also": 0o17,
        "hex": 31,
        "large": 1000,
        "less": -7,
        "half": 0.5,
        "power": 1000.0,
        "version": "1.30.1",
        "dash": "-",
        "quoted": "1",
        "tagged": "5",
        "bare": "5",
        "number": 5,
        "long": "1" * 41,
        "1": "one",
    }


def test_yaml_maps_merge_and_own_keys_win() -> None:
    text = """\
        base: &base {a: 1, b: 1}
        more: &more {b: 2, c: 2}
        one: {<<: *base, b: 9}
        both: {<<: [*base, *more]}
        key: &k name
        *k : text
        &again other: 1
        copy: *again
        """

    found = plain(dedent(text))

    assert found["one"] == {"a": 1, "b": 9}
    assert found["both"] == {"a": 1, "b": 1, "c": 2}
    assert (found["name"], found["copy"]) == ("text", "other")


def test_lines_of_fields_are_those_of_the_file() -> None:
    text = "# top\n---\nkind: A\nspec:\n  containers:\n  - name: a\n  - name: b\n    image: x\n"
    ((_, found),) = read_documents(text.encode())

    assert not isinstance(found, NotUnderstood)
    assert found is not None
    lines = {
        path: found.line_of(path)
        for path in ("", "spec.containers[1].image", "spec.containers[1].securityContext.x", "odd")
    }
    assert list(lines.values()) == [3, 8, 7, 3]


def test_lines_of_json_items_are_those_of_the_file() -> None:
    text = json.dumps({"kind": "List", "items": [POD, POD]}, indent=1)
    ((_, found),) = read_documents(b"\n" + text.encode())

    assert not isinstance(found, NotUnderstood)
    assert found is not None
    assert [item.line_of("spec") for item in found.items()] == [5, 12]


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_read_any_bytes_gives_documents_or_words(content: bytes) -> None:
    for _, found in read_documents(content):
        if isinstance(found, NotUnderstood):
            assert found.message
            assert found.line >= 1


@given(
    text=st.text(alphabet="ab:-[]{}&*!|>'\"#%,<\n \t.?0", max_size=80),
    tail=st.sampled_from(["", "\n---\nkind: Z\n"]),
)
def test_read_odd_yaml_never_crashes(text: str, tail: str) -> None:
    found = list(read_documents((text + tail).encode()))

    assert not tail or found
