"""What an operator sees when the way to a real API server is broken: a sentence, the old data, no verdict."""

import base64
from collections.abc import Iterator

import pytest
import yaml
from django.test import Client

from policies.actions import clusters
from policies.domain.readiness import Verdict
from policies.models import Cluster, CollectionRun, KindSnapshot, ObservedWorkload, Variant
from tests import factories
from tests.contract.job import GOOD, Job, deployment, open_job
from tests.contract.planes import eventually, newest, oldest
from tests.world import People

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]


@pytest.fixture
def job(django_user_model: type) -> Iterator[Job]:
    plane = newest()
    yield from open_job(plane, People(django_user_model))


@pytest.fixture
def ready(job: Job) -> Variant:
    """A namespace that is ready to be enforced: whatever breaks next must take that back."""
    job.raw.create(deployment("team-a", "good", GOOD), "team-a")
    variant = job.installed("ValidatingPolicy")
    job.awaits_reports(variant, "team-a")
    job.rehearsed(variant, "team-a")
    assert job.world.verdict(variant, "team-a").verdict is Verdict.READY
    return variant


def use_kubeconfig(job: Job, text: str) -> None:
    clusters.replace_credential(
        cluster_id=job.world.cluster.pk,
        kubeconfig=text,
        context=None,
        by=job.world.people.admin,
        now=job.world.now(),
    )


def check_told(job: Job, variant: Variant, *, reason: str, words: str, state: str) -> None:
    """Collect, and see the sentence on the page, the old rows kept, and the verdict gone."""
    before = set(ObservedWorkload.objects.values_list("uid", "content_hash"))

    run = job.world.collect()

    assert run.state == state
    assert run.error_reason == reason
    assert words in run.error_message
    assert set(ObservedWorkload.objects.values_list("uid", "content_hash")) == before
    verdict = job.world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    client = Client()
    factories.grant(variant.created_by, "viewer")
    client.force_login(variant.created_by)
    page = client.get(f"/clusters/{variant.cluster_id}/").content.decode()
    assert words.split("'")[0] in page.replace("&quot;", '"').replace("&#x27;", "'")


def test_wrong_token_is_told_and_old_data_stays(job: Job, ready: Variant) -> None:
    config = yaml.safe_load(job.plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "not-a-token-of-this-cluster"}
    use_kubeconfig(job, yaml.safe_dump(config))

    check_told(
        job, ready, reason="unauthorized", words="credential", state=CollectionRun.State.FAILED
    )


def test_wrong_ca_is_told_and_old_data_stays(job: Job, ready: Variant) -> None:
    config = yaml.safe_load(job.plane.kubeconfig.read_text())
    other = oldest()
    config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(
        other.ca_pem.encode()
    ).decode()
    use_kubeconfig(job, yaml.safe_dump(config))

    check_told(job, ready, reason="tls", words="not signed by", state=CollectionRun.State.FAILED)


def test_no_permission_is_told_kind_by_kind_and_old_data_stays(job: Job, ready: Variant) -> None:
    use_kubeconfig(job, job.plane.user_kubeconfig("nobody-special"))

    check_told(job, ready, reason="forbidden", words="may not", state=CollectionRun.State.FAILED)
    failed = KindSnapshot.objects.filter(cluster=ready.cluster).exclude(failure="")
    assert failed.filter(kind="pods").exists()


def test_api_server_stopped_is_told_and_old_data_stays(job: Job, ready: Variant) -> None:
    job.plane.stop("apiserver")
    try:
        check_told(
            job,
            ready,
            reason="unreachable",
            words="unreachable",
            state=CollectionRun.State.FAILED,
        )
        assert Cluster.objects.get(pk=ready.cluster_id).contact_state == "unreachable"
    finally:
        job.plane.start("apiserver")
        eventually(lambda: job.raw.send("GET", "/readyz").status, lambda s: s == 200, seconds=60)
        # Its watches would take minutes to find that the API server is back.
        job.plane.stop("reports")
        job.plane.start("reports")
    eventually(
        lambda: (job.world.collect(), job.world.verdict(ready, "team-a").verdict)[1],
        lambda v: v is Verdict.READY,
        seconds=180,
    )
