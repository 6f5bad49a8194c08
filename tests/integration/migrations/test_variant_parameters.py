"""The migration that gives variants parameters: what was there before is revision 1, and the way back loses nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from policies.models import Cluster, DesiredRevision, Variant, VariantRevision

BEFORE = ("policies", "0004_inventory")
AFTER = ("policies", "0005_variant_parameters")
AUTHOR = "operator-of-before"
CONTROLS = ["require-seccomp", "deny-unconfined-seccomp"]


def migrate(target: tuple[str, str]) -> Apps:
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps


@pytest.fixture
def before(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Apps]:
    """The schema of before. What the test makes is taken away again: the trail refuses to be emptied as a whole."""
    with django_db_blocker.unblock():
        try:
            yield migrate(BEFORE)
        finally:
            executor = MigrationExecutor(connection)
            executor.migrate(executor.loader.graph.leaf_nodes("policies"))
            for model in (DesiredRevision, VariantRevision, Variant, Cluster):
                model.objects.all().delete()
            User.objects.filter(username=AUTHOR).delete()


def old_rows(apps: Apps) -> Any:
    """A variant with two revisions on a cluster, as secprof wrote them before."""
    now = timezone.now()
    user = apps.get_model("auth", "User").objects.create(username=AUTHOR)
    cluster = apps.get_model("policies", "Cluster").objects.create(name="prod", created_at=now)
    variant = apps.get_model("policies", "Variant").objects.create(
        cluster=cluster,
        name="require-seccomp",
        controls=CONTROLS,
        target="ClusterPolicy",
        api_version="kyverno.io/v1",
        created_by=user,
        created_at=now,
    )
    for number in (1, 2):
        apps.get_model("policies", "DesiredRevision").objects.create(
            variant=variant,
            number=number,
            enforced=[],
            objects_wanted=[],
            digest="d" * 64,
            created_at=now,
        )
    apps.get_model("policies", "PostureTally").objects.create(
        cluster=cluster,
        namespace="shop",
        control=",".join(sorted(CONTROLS)),
        workload_count=1,
        failing_count=0,
        not_applicable_count=0,
        reportable_count=1,
    )
    return variant


def test_controls_become_the_first_revision_of_every_variant(before: Apps) -> None:
    old = old_rows(before)

    apps = migrate(AFTER)

    variant = apps.get_model("policies", "Variant").objects.get()
    assert (variant.parameters, variant.revision_number) == ({"controls": CONTROLS}, 1)
    wish = apps.get_model("policies", "VariantRevision").objects.get()
    assert (wish.number, wish.parameters, wish.target) == (1, variant.parameters, "ClusterPolicy")
    assert (wish.created_by_id, wish.created_at) == (old.created_by_id, old.created_at)
    revisions = apps.get_model("policies", "DesiredRevision").objects.all()
    assert {revision.compiled_from_id for revision in revisions} == {wish.pk}
    tally = apps.get_model("policies", "PostureTally").objects.get()
    assert tally.judge == "deny-unconfined-seccomp,require-seccomp"


def test_way_back_gives_every_variant_its_controls_again(before: Apps) -> None:
    old_rows(before)
    migrate(AFTER)

    apps = migrate(BEFORE)

    assert apps.get_model("policies", "Variant").objects.get().controls == CONTROLS
    assert apps.get_model("policies", "DesiredRevision").objects.count() == 2
