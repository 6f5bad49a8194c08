"""No secret comes to light: not in logs, traces, errors, rows, files, messages to the broker or reports of a defect.

A real HTTPS server plays the API server and repeats, to make it hard, every credential that it is shown.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views.debug import ExceptionReporter, get_exception_reporter_filter
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from policies import dispatch, tasks
from policies.actions import clusters
from policies.actions.connections import keyring, open_gateway
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.models import Cluster
from secprof_site import env
from tests import factories
from tests.integration.canaries import Canaries, Watch, canary, watching
from tests.unit.cluster.authority import Authority, encoded
from tests.unit.cluster.stub import Canned, Stub, serve

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def stub(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Stub]:
    folder = tmp_path_factory.mktemp("stub")
    with serve(folder, authority=authority, client_authority=authority) as running:
        yield running


@pytest.fixture
def canaries(authority: Authority, settings: Settings, tmp_path: Path) -> Canaries:
    made = Canaries(authority)
    made.set(settings)
    settings.SECPROF_STATE_DIR = tmp_path
    return made


@pytest.fixture
def watch(canaries: Canaries) -> Iterator[Watch]:
    made = Watch(canaries)
    with watching(made):
        yield made


@pytest.fixture
def admin() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(factories.user("admin"))
    return client


@pytest.fixture
def text(canaries: Canaries, stub: Stub) -> str:
    return canaries.kubeconfig(f"https://localhost:{stub.port}", stub.authority.ca_pem)


def answers(canaries: Canaries) -> list[Canned]:
    """Give what an unkind API server says: each answer repeats the token."""
    said = f"Bearer {canaries.token} was not welcome"
    bad = {"kind": "Status", "message": said}
    return [
        Canned.of({"gitVersion": f"v1.36.3-{canaries.token}"}),
        Canned.of(bad, status=401),
        Canned.of(bad, status=403),
        Canned.of(bad, status=500),
        Canned.of(bad, status=302, headers=(("Location", f"https://x.invalid/{canaries.token}"),)),
        Canned.of({"items": said}, headers=(("Warning", f'299 - "{said}"'),)),
        Canned.of(bad, status=429, headers=(("Retry-After", "0"),)),
        Canned(body=said.encode()),
        Canned.of({}, raw=said.encode()),
        Canned.of({}, cut_after=1),
        Canned.of(bad, status=401),
    ]


def test_watch_sees_each_secret(canaries: Canaries, watch: Watch) -> None:
    import logging

    logging.getLogger("x").debug("token %s", canaries.token)
    watch.look("text", encoded(canaries.password))
    watch.look("text", canaries.client_key)

    assert {s.split(" in ")[0] for s in watch.seen} == {"token", "password", "client_key"}


def test_cluster_taken_in_collected_tested_and_failing_shows_no_secret(
    canaries: Canaries, watch: Watch, admin: Client, stub: Stub, text: str, tmp_path: Path
) -> None:
    form = {"name": "prod", "kubeconfig": text, "context": ""}
    watch.look_at_answer("adding", admin.post("/clusters/new/", form, follow=True))
    cluster = Cluster.objects.get(name="prod")
    assert keyring().decrypt(cluster.credential).token == canaries.token

    for answer in answers(canaries):
        stub.answers = [answer]
        watch.look_at_answer("test", admin.post(f"/clusters/{cluster.pk}/test/", follow=True))
        tasks.collect_cluster.apply(kwargs={"cluster_id": cluster.pk})
        for page in ("/", "/clusters/", f"/clusters/{cluster.pk}/", "/trail/"):
            watch.look_at_answer(page, admin.get(page))
    assert len(stub.asked) > len(answers(canaries))
    assert all(a.headers["authorization"] == f"Bearer {canaries.token}" for a in stub.asked)

    watch.look_at_rows()
    watch.look_at_files([tmp_path])
    assert watch.line_count > 20
    assert watch.seen == []


def test_kubeconfig_refused_shows_nothing_of_it(
    canaries: Canaries, watch: Watch, admin: Client, stub: Stub, tmp_path: Path
) -> None:
    server, ca_pem = f"https://localhost:{stub.port}", stub.authority.ca_pem
    texts = (
        canaries.kubeconfig(server, ca_pem, password=canaries.password, username="u"),
        canaries.kubeconfig(server, ca_pem, **{canaries.password: "x"}),
        canaries.kubeconfig(server, ca_pem, token=f"{canaries.token} {canaries.token}"),
        canaries.kubeconfig(f"https://u:{canaries.password}@localhost", ca_pem),
        canaries.kubeconfig(server, canaries.token),
        canaries.kubeconfig(server, ca_pem)[:-90] + "\n\t: [",
        f"token: {canaries.token}\n - {canaries.password}: [",
        f"{{token: {canaries.token}",
    )
    path = tmp_path / "kubeconfig"
    for each in texts:
        form = {"name": "prod", "kubeconfig": each, "context": canaries.password}
        response = admin.post("/clusters/new/", form)
        assert response.status_code == 422
        # What was typed stands in its field again; nothing else may repeat it.
        body = response.text
        for shown in (form["kubeconfig"], form["context"]):
            body = body.replace(_escaped(shown), "")
        watch.look("refusal", body)
        path.write_text(each)
        with pytest.raises(CommandError) as refused:
            call_command("add_cluster", "prod", kubeconfig=str(path))
        watch.look("command", f"{refused.value!r} {refused.value.__cause__!r}")
    path.unlink()

    watch.look_at_rows()
    assert watch.seen == []


def _escaped(text: str) -> str:
    from django.utils.html import escape

    return escape(text)


@pytest.mark.parametrize(
    "broken",
    [
        "policies.web.views.clusters.clusters.add_cluster",
        "policies.actions.clusters.parse_kubeconfig",
        "policies.actions.clusters.keyring",
        "policies.actions.clusters._add",
        "policies.cluster.kubeconfig._token",
        "policies.cluster.kubeconfig.Connection",
    ],
)
def test_defect_while_a_credential_is_at_hand_reports_no_value(
    canaries: Canaries,
    watch: Watch,
    admin: Client,
    text: str,
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(broken, fail)
    reports: list[str] = []

    from django.core.signals import got_request_exception

    def report(**_: Any) -> None:
        # What an error mail, or a service that collects errors, would be sent.
        request = RequestFactory().post("/clusters/new/", {"kubeconfig": text})
        request.COOKIES = {"sessionid": canaries.password}
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend((reporter.get_traceback_text(), reporter.get_traceback_html()))

    got_request_exception.connect(report)
    try:
        form = {"name": "prod", "kubeconfig": text, "context": ""}
        response = admin.post("/clusters/new/", form)
    finally:
        got_request_exception.disconnect(report)

    assert response.status_code == 500
    watch.look_at_answer("page 500", response)
    assert len(reports) == 2
    assert "a defect" in reports[0]
    for each in reports:
        watch.look("report", each)
    assert watch.seen == []


def test_settings_of_a_report_hold_no_secret(watch: Watch) -> None:
    shown = get_exception_reporter_filter(None).get_safe_settings()

    assert shown["TIME_ZONE"] == "UTC"
    watch.look("settings", shown)
    assert watch.seen == []


def test_task_that_crashes_shows_no_secret(
    canaries: Canaries, watch: Watch, stub: Stub, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = _taken_in(text)
    monkeypatch.setattr("policies.actions.collection.read_and_store", lambda _: 1 / 0)

    result = tasks.collect_cluster.apply(kwargs={"cluster_id": cluster.pk})

    assert isinstance(result.result, ZeroDivisionError)
    watch.look("the task's traceback", result.traceback)
    watch.look_at_rows()
    assert watch.seen == []


def test_message_to_a_broker_that_is_away_shows_no_secret(
    canaries: Canaries,
    watch: Watch,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    away = Celery(broker=f"redis://:{canaries.broker}@127.0.0.1:1/0", set_as_current=False)
    away.conf.broker_transport_options = {"max_retries": 0}
    monkeypatch.setattr(dispatch, "current_app", away)
    sent: list[object] = []
    original = away.send_task

    def send_task(*args: Any, **kwargs: Any) -> Any:
        sent.append((args, kwargs))
        return original(*args, **kwargs)

    monkeypatch.setattr(away, "send_task", send_task)

    with django_capture_on_commit_callbacks(execute=True):
        cluster = _taken_in(text)

    assert sent == [
        ((dispatch.COLLECT_CLUSTER,), {"kwargs": {"cluster_id": cluster.pk}, "retry": False})
    ]
    watch.look("a message", sent)
    assert watch.seen == []


def test_commands_show_no_secret(
    canaries: Canaries, watch: Watch, stub: Stub, text: str, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    written = io.StringIO()
    call_command("add_cluster", "prod", kubeconfig=str(path), stdout=written)
    path.unlink()
    call_command("rotate_credentials", stdout=written)
    stub.answers = answers(canaries)[1:2]
    with pytest.raises(CommandError) as failed:
        call_command("collect", "prod", "--json", stdout=written)
    settings.SECPROF_CREDENTIAL_KEYS = (canaries.password,)
    with pytest.raises(Exception, match="not a Fernet key") as unusable:
        call_command("rotate_credentials", stdout=written)
    call_command("check", deploy=True, stdout=written, stderr=written, fail_level="CRITICAL")

    watch.look("print", written.getvalue())
    watch.look("errors", f"{failed.value!r} {unusable.value!r} {unusable.value.__cause__!r}")
    watch.look_at_rows()
    watch.look_at_files([tmp_path])
    assert "prod added" in written.getvalue()
    assert watch.seen == []


def test_records_show_no_secret(canaries: Canaries, watch: Watch, text: str) -> None:
    cluster = _taken_in(text)
    connection = parse_kubeconfig(text, allow_loopback=True)
    gateway = open_gateway(cluster)

    for each in (connection, cluster, keyring(), gateway, gateway._transport):  # type: ignore[attr-defined]
        watch.look("a record", f"{each!r} {each}")
    gateway.close()
    assert watch.seen == []


@pytest.mark.parametrize(
    "url", ["mysql://u:{}@h/n", "postgres://u:{}@h:port/n", "postgres://u:{}@h", "{}"]
)
def test_start_that_is_refused_shows_no_password(url: str) -> None:
    password = canary("database")

    with pytest.raises(ImproperlyConfigured) as refused:
        env.parse_database_url(url.format(password))

    assert password not in f"{refused.value!r} {refused.value.__cause__!r}"


def _taken_in(text: str) -> Cluster:
    from policies.domain.authority import SYSTEM

    return clusters.add_cluster(
        name="prod", kubeconfig=text, context=None, by=SYSTEM, now=timezone.now()
    )
