"""`manage.py`'s commands for scripts and for the demo: what they print, and how they fail."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from policies.models import (
    AuditEvent,
    Cluster,
    CollectionRun,
    DailyTotal,
    Flip,
    Rehearsal,
    Stage,
)
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld, people, world
from tests.integration.actions.test_clusters import CANARY, kubeconfig

__all__ = ["people", "world"]

pytestmark = pytest.mark.django_db


def call(*words: str, **options: object) -> list[str]:
    written = io.StringIO()
    call_command(*words, stdout=written, **options)
    return written.getvalue().splitlines()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig())
    return path


def test_collect_ends_with_one_line_of_json(world: SandboxWorld) -> None:
    (line,) = call("collect", "prod", "--json")

    said = json.loads(line)
    assert (said["state"], said["error"], said["problems"]) == ("complete", "", 0)
    assert said["counts"]["pods"] == 0
    assert said["counts"]["deployments.apps"] == 3
    assert min(said[key] for key in ("seconds", "requests", "bytes", "peak_mb")) > 0


def test_collect_in_words_names_its_numbers(world: SandboxWorld) -> None:
    (line,) = call("collect", "prod")

    assert line.startswith("complete: ")
    assert "0 objects not understood." in line


def test_collect_of_a_cluster_out_of_reach_exits_with_one(world: SandboxWorld) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)
    written = io.StringIO()

    with pytest.raises(CommandError, match="nothing listens there") as error:
        call_command("collect", "prod", "--json", stdout=written)

    assert error.value.returncode == 1
    assert json.loads(written.getvalue())["state"] == "failed"


def test_collect_that_is_partial_says_why_and_exits_well(world: SandboxWorld) -> None:
    world.sandbox.set_fault(Fault.FORBIDDEN, target="jobs")

    (line,) = call("collect", "prod")

    assert line.startswith("partial: ")
    assert "jobs.batch" in line


def test_collect_of_nothing_or_of_what_runs_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(CommandError, match="no cluster other"):
        call("collect", "other")
    CollectionRun.objects.create(
        cluster=world.cluster, started_at=world.now(), heartbeat_at=world.now()
    )
    with pytest.raises(CommandError, match="running already"):
        call("collect", "prod")


def test_add_cluster_takes_a_file(config: Path) -> None:
    assert call("add_cluster", "real", "--kubeconfig", str(config)) == [
        "real added: https://127.0.0.1:1"
    ]
    assert AuditEvent.objects.get(verb="cluster.added").actor == "system"


def test_add_cluster_takes_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(kubeconfig()))

    call("add_cluster", "real", "--kubeconfig", "-", "--context", "x")

    assert Cluster.objects.get().name == "real"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("No label", kubeconfig(), "DNS label"),
        ("real", "clusters: []", "context"),
        ("real", None, "read"),
    ],
)
def test_add_cluster_that_is_refused_fails_without_the_secret(
    config: Path, name: str, text: str | None, says: str
) -> None:
    if text is None:
        config.unlink()
    else:
        config.write_text(text)

    with pytest.raises(CommandError, match=says) as error:
        call("add_cluster", name, "--kubeconfig", str(config))

    assert CANARY not in str(error.value)


def test_rotate_credentials_says_how_many(config: Path) -> None:
    call("add_cluster", "real", "--kubeconfig", str(config))

    assert call("rotate_credentials") == ["1 credentials are encrypted with the newest key."]

    Cluster.objects.update(credential="rubbish")
    with pytest.raises(CommandError, match="real: .* enter it again"):
        call("rotate_credentials")


def test_sandbox_fault_is_set_and_cleared(world: SandboxWorld) -> None:
    assert call("sandbox_fault", "prod", "broken-page", "--target", "pods", "--amount", "2") == [
        "prod: broken-page"
    ]
    (found,) = world.sandbox.faults()
    assert (found.fault, found.target, found.amount) == (Fault.BROKEN_PAGE, "pods", 2)

    call("sandbox_fault", "prod", "none")
    assert world.sandbox.faults() == ()

    with pytest.raises(CommandError, match="no sandbox other"):
        call("sandbox_fault", "other", "slow")


@pytest.fixture
def demo(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.SECPROF_STATE_DIR = tmp_path
    settings.SECPROF_DEMO = True
    monkeypatch.setenv("SECPROF_DEMO_PASSWORD", "correct-horse-battery")
    return


@pytest.mark.usefixtures("demo")
def test_seed_demo_tells_its_story_once(django_user_model: type) -> None:
    call("seed_demo")
    flips = Flip.objects.count()

    assert set(Cluster.objects.values_list("name", flat=True)) == {"prod", "staging"}
    assert set(Flip.objects.values_list("status", flat=True)) == {"proven", "requested"}
    enforced = Stage.objects.filter(value="enforce").values_list("variant__template", flat=True)
    assert Counter(enforced) == {"seccomp": 6, "apparmor": 3, "confined-pods": 2}
    assert Flip.objects.filter(status="requested").count() == 3
    operator = django_user_model.objects.get(username="operator")
    assert operator.check_password("correct-horse-battery")

    # As if it had been stopped before it looked around, with a worker at a collection now.
    Rehearsal.objects.filter(variant__name="confined-pods").delete()
    CollectionRun.objects.create(
        cluster=Cluster.objects.get(name="prod"),
        started_at=operator.date_joined,
        heartbeat_at=operator.date_joined.replace(year=9999),
    )
    call("seed_demo")

    assert Flip.objects.count() == flips


@pytest.mark.usefixtures("demo")
def test_seed_demo_looks_back_on_days_before_its_story() -> None:
    call("seed_demo", "--days=6")

    today = timezone.now().date()
    prod = DailyTotal.objects.filter(cluster__name="prod", policy="require-seccomp", team="*")
    failing = list(prod.order_by("day").values_list("day", "failing_workload_count"))
    assert [day for day, _ in failing] == [today - timedelta(days=n) for n in range(6, -1, -1)]
    assert failing[0][1] > failing[-1][1] > 0
    assert sum(prod.values_list("closed_count", flat=True)) > 5
    assert set(Flip.objects.values_list("status", flat=True)) == {"proven", "requested"}
    staging = DailyTotal.objects.filter(cluster__name="staging")
    assert set(staging.values_list("day", flat=True)) == {today}


def test_seed_demo_outside_a_demo_is_refused() -> None:
    with pytest.raises(CommandError, match="make demo"):
        call("seed_demo")
