"""Nobody writes to a cluster but `policies.cluster.writes`, where each write names its decision."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOOR = ROOT / "policies" / "cluster" / "writes.py"
PLAIN_STREAMS = {"stdout", "stderr", "file"}
"""The only things other than a gateway whose `write` the product uses."""


def reaches_for_write(source: str) -> list[int]:
    """Name the lines that use some object's `write`, called or not, by name or by getattr."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and _is_write(node))
        or (isinstance(node, ast.Call) and _gets_write(node))
    ]


def _is_write(node: ast.Attribute) -> bool:
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return node.attr == "write" and name not in PLAIN_STREAMS


def _gets_write(node: ast.Call) -> bool:
    names = [each.value for each in node.args if isinstance(each, ast.Constant)]
    return getattr(node.func, "id", "") == "getattr" and "write" in names


def test_only_the_door_writes_to_a_gateway() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "policies").rglob("*.py"))
        if path != DOOR
        for line in reaches_for_write(path.read_text())
    }

    assert found == set()


def test_the_door_itself_is_seen() -> None:
    assert len(reaches_for_write(DOOR.read_text())) == 1


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("gateway.write(change, dry_run=True)", 1),
        ("self._gateway.write(change, **options)", 1),
        ("push = run.gateway.write", 1),
        ("open_gateway(cluster).write(change, dry_run=False)", 1),
        ("getattr(gateway, 'write')(change)", 1),
        ("self.stdout.write('text')", 0),
        ("write(gateway, change, decision='d', dry_run=True)", 0),
        ("path.write_text('text')", 0),
    ],
)
def test_a_write_is_recognised_in_each_form(source: str, count: int) -> None:
    assert len(reaches_for_write(source)) == count
