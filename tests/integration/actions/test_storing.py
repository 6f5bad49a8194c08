"""Rows are brought in line with what was read, and nothing else is written."""

import pytest
from django.utils import timezone

from policies.actions import storing
from policies.actions.storing import Fields, Key, content_hash, replace_rows
from policies.models import Cluster, ObservedNamespace

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return Cluster.objects.create(name="prod", created_at=timezone.now())


def replace(cluster: Cluster, **teams: str) -> set[str]:
    """Store these namespaces with their teams, and name those that were written."""
    rows: dict[Key, Fields] = {}
    for name, team in teams.items():
        fields: Fields = {"uid": name, "team": team}
        rows[(name,)] = {**fields, "content_hash": content_hash(fields)}
    touched = replace_rows(
        ObservedNamespace,
        scope={"cluster_id": cluster.pk},
        key=("name",),
        compared=("content_hash",),
        rows=rows,
    )
    return {name for (name,) in touched}


def stored(cluster: Cluster) -> dict[str, tuple[int, str]]:
    rows = ObservedNamespace.objects.filter(cluster=cluster)
    return {row.name: (row.pk, row.team) for row in rows}


def test_replace_rows_adds_changes_keeps_and_deletes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "BATCH_SIZE", 2)
    assert replace(cluster, a="one", b="one", c="one", d="one", e="one") == set("abcde")
    before = stored(cluster)

    assert replace(cluster, a="one", b="two", f="new") == set("bcdef")

    after = stored(cluster)
    assert after["a"] == before["a"]
    assert after["b"] == (before["b"][0], "two")
    assert set(after) == {"a", "b", "f"}


def test_replace_rows_leaves_another_scope_alone(cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other", created_at=timezone.now())
    replace(other, a="one")

    assert replace(cluster, a="two") == {"a"}
    assert replace(cluster) == {"a"}

    assert set(stored(other)) == {"a"}


def test_replace_rows_after_a_death_between_batches_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "BATCH_SIZE", 1)
    insert = storing.insert_rows
    left = [1]

    def dying(model: type[ObservedNamespace], rows: list[Fields]) -> None:
        if not left.pop():
            raise SystemExit
        left.append(0)
        insert(model, rows)

    with monkeypatch.context() as patched:
        patched.setattr(storing, "insert_rows", dying)
        with pytest.raises(SystemExit):
            replace(cluster, a="one", b="one", c="one")
    assert set(stored(cluster)) == {"a"}

    assert replace(cluster, a="one", b="one", c="one") == {"b", "c"}
    assert set(stored(cluster)) == {"a", "b", "c"}


def test_content_hash_is_that_of_the_content() -> None:
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    assert len(content_hash({})) == 32
