"""A diff shows what changes with some lines around it, and folds the rest."""

from policies.domain.plans import object_diff
from policies.web.presenters.diffs import CONTEXT, Block, compared, diff_blocks


def policy(*namespaces: str, fields: int = 0) -> dict[str, object]:
    spec = {f"field-{number:02}": number for number in range(fields)}
    return {
        "apiVersion": "v1",
        "kind": "Policy",
        "metadata": {"name": "p", "uid": "u"},
        "spec": {**spec, "namespaces": list(namespaces)},
    }


def added(blocks: tuple[Block, ...]) -> list[str]:
    return [line.text for block in blocks for line in block.lines if line.style == "add"]


def test_diff_one_namespace_more_is_one_line_more() -> None:
    blocks = diff_blocks(object_diff(policy("a"), policy("a", "b")))

    assert added(blocks) == ["  - b"]


def test_diff_order_of_keys_does_not_count() -> None:
    before = policy("a", fields=3)
    after = {**before, "spec": dict(reversed(list(before["spec"].items())))}

    assert diff_blocks(object_diff(before, after)) == ()


def test_diff_text_of_several_lines_is_compared_line_by_line() -> None:
    before = {**policy(), "spec": {"expression": "in [\n 'a'\n]"}}
    after = {**policy(), "spec": {"expression": "in [\n 'a',\n 'b'\n]"}}

    assert added(diff_blocks(object_diff(before, after))) == ["     'a',", "     'b'"]


def test_diff_long_unchanged_stretch_is_folded_but_for_its_end() -> None:
    blocks = diff_blocks(object_diff(policy("a", fields=30), policy("a", "b", fields=30)))

    assert [block.is_folded for block in blocks] == [True, False, False]
    assert len(blocks[1].lines) == CONTEXT


def test_diff_new_object_is_added_whole_and_not_folded() -> None:
    blocks = diff_blocks(object_diff(None, policy("a", fields=30)))

    assert [block.is_folded for block in blocks] == [False]
    assert all(line.style == "add" for line in blocks[0].lines)


def test_compared_same_texts_give_nothing() -> None:
    assert compared("a\nb\n", "a\nb\n") == ()


def test_compared_texts_show_what_went_and_what_came() -> None:
    lines = [line for block in compared("a\nb\n", "a\nc\n") for line in block.lines]

    assert [(line.sign, line.text) for line in lines] == [(" ", "a"), ("-", "b"), ("+", "c")]
