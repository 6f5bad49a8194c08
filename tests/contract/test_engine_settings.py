"""What Kyverno's own settings leave out is judged by nobody, on both clusters; and a real Kyverno's are read as they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.utils import timezone

from controlplane import ControlPlane
from policies.actions import clusters
from policies.cluster.errors import NotFound, RejectedByAdmission
from policies.cluster.gateway import CONFIG_MAPS, VALIDATING_WEBHOOKS
from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.cluster_rights import Mode
from policies.domain.enforceability import Barrier, obstacles
from policies.domain.engine_settings import (
    EngineSettings,
    keep_config,
    keep_webhooks,
    read_config,
    read_webhook,
)
from policies.domain.library import VariantSpec, compile_objects, probe_pods
from policies.models import CollectionRun, EngineState, ObservedController, ObservedNamespace
from policies.queries.engine_settings import engine_settings_of
from sandbox.engine import CONFIG, NAMESPACE, config_map
from tests.contract.clusters import Cluster, SandboxCluster
from tests.contract.identities import identity
from tests.contract.job import Job, open_job
from tests.contract.planes import Plane, eventually, newest
from tests.world import People, World

NAME = "kubernetes.io/metadata.name"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}}


@dataclass(frozen=True)
class Ground:
    """A variant that denies in two namespaces, of which the ConfigMap leaves one out."""

    cluster: Cluster
    spec: VariantSpec
    judged: str
    left_out: str

    def ask(self, namespace: str) -> PodAnswer:
        compiled = compile_objects(self.spec, [self.judged, self.left_out])
        names = [each.name for each in compiled]
        try:
            answer = self.cluster.gateway.dry_run_pod(namespace, probe_pods(self.spec).bad)
        except RejectedByAdmission as error:
            return read_answer(
                policies=names, warnings=(), rejected_by=error.webhook, raw=error.raw
            )
        return read_answer(policies=names, warnings=answer.warnings)

    def settings(self) -> EngineSettings:
        """Read ConfigMap and webhooks through the gateway."""
        stored = self.cluster.gateway.get(CONFIG_MAPS, CONFIG, namespace=NAMESPACE)
        listed = self.cluster.items(VALIDATING_WEBHOOKS)
        kept = [each for item in listed for each in keep_webhooks(item)[0]]
        return EngineSettings(
            config=read_config(keep_config(stored["data"])),
            webhooks=tuple(map(read_webhook, kept)),
            expects_pods=True,
        )


@pytest.fixture(scope="module")
def ground(cluster: Cluster, kyverno_spec: VariantSpec) -> Iterator[Ground]:
    judged, left_out = cluster.make_namespace("judged"), cluster.make_namespace("left-out")
    filters = stored_filters(cluster)
    change = {"data": {"resourceFilters": f"{filters} [*/*,{left_out},*]"}}
    cluster.patch(MAP, NAMESPACE, change)
    found = Ground(cluster, kyverno_spec, judged, left_out)
    compiled = compile_objects(kyverno_spec, [judged, left_out])
    cluster.create(compiled)
    yield found
    for each in compiled:
        cluster.discard(each)
    cluster.patch(MAP, NAMESPACE, {"data": {"resourceFilters": filters}})


def stored_filters(cluster: Cluster) -> str:
    """Give the filters as they are; a sandbox gets its ConfigMap first."""
    try:
        stored = cluster.gateway.get(CONFIG_MAPS, CONFIG, namespace=NAMESPACE)
    except NotFound:
        assert isinstance(cluster, SandboxCluster)
        cluster.sandbox.make_namespace(NAMESPACE)
        stored = cluster.sandbox.apply_manifest(config_map(), forced=True).manifest
    filters: str = stored["data"]["resourceFilters"]
    return filters


def test_namespace_in_the_filters_is_judged_by_nobody(ground: Ground) -> None:
    eventually(
        lambda: ground.ask(ground.judged).outcome,
        lambda outcome: outcome is AnswerOutcome.REFUSED,
        in_a_row=3,
    )
    eventually(
        lambda: ground.ask(ground.left_out).outcome,
        lambda outcome: outcome is AnswerOutcome.ADMITTED,
        in_a_row=3,
    )


def test_obstacles_are_told_from_what_the_cluster_holds(ground: Ground) -> None:
    settings = eventually(ground.settings, lambda found: bool(found.pod_webhooks), in_a_row=1)

    def barriers(namespace: str) -> list[Barrier]:
        own = [each.name for each in compile_objects(ground.spec, [ground.judged])]
        found = obstacles(namespace, {NAME: namespace}, settings, own)
        return [each.barrier for each in found]

    assert barriers(ground.judged) == []
    assert barriers(ground.left_out) == [Barrier.FILTER]
    assert barriers("kube-system") == [Barrier.SYSTEM, Barrier.FILTER, Barrier.SELECTOR]


def test_webhooks_name_the_policies_that_they_are_for(ground: Ground) -> None:
    twin = f"{ground.spec.name}-enforce"

    def own() -> list[str]:
        webhooks = ground.settings().webhooks or ()
        return [each.name for each in webhooks if twin in each.policies]

    (name,) = eventually(own, lambda found: len(found) == 1, in_a_row=1)
    assert name.endswith(f"-fail-finegrained-{twin}")


@pytest.fixture
def job(django_user_model: type) -> Iterator[Job]:
    yield from open_job(newest(), People(django_user_model))


@pytest.mark.controlplane
@pytest.mark.django_db
def test_collection_reads_the_settings_of_a_real_kyverno(job: Job) -> None:
    variant = job.installed("ValidatingPolicy")

    def collected() -> EngineSettings:
        job.world.collect()
        return engine_settings_of(job.world.cluster)

    found = eventually(collected, lambda s: bool(s.pod_webhooks) and s.expects_pods, in_a_row=1)

    state = EngineState.objects.get(cluster=job.world.cluster)
    assert (state.config_failure, state.webhooks_failure) == ("", "")
    assert found.version is not None
    assert found.version >= (1, 13, 0)
    assert found.config is not None
    assert "[*/*,kube-system,*]" in {each.text for each in found.config.filters}
    assert found.config.excluded == (("group", "system:nodes"),)
    assert any(variant.name in each.policies for each in found.pod_webhooks)
    assert ObservedController.objects.filter(cluster=job.world.cluster).count() >= 2
    spaces = {
        row.name: [each["barrier"] for each in row.not_enforceable]
        for row in ObservedNamespace.objects.filter(cluster=job.world.cluster)
    }
    assert spaces["team-a"] == []
    assert Barrier.FILTER in spaces["kube-system"]
    assert spaces["kyverno"][0] == Barrier.ENGINE


@pytest.mark.controlplane
@pytest.mark.django_db
def test_read_only_account_reads_all_of_it_and_says_which_right_lacks(
    control_plane: ControlPlane, raw_plane: Plane, django_user_model: type
) -> None:
    with identity(control_plane, raw_plane, Mode.READ) as holder:
        people = People(django_user_model)
        cluster = clusters.add_cluster(
            name=holder.name,
            kubeconfig=holder.kubeconfig,
            context=None,
            by=people.admin,
            now=timezone.now(),
        )
        world = World(people, cluster)
        world.collect()
        state = EngineState.objects.get(cluster=cluster)
        assert (state.config_failure, state.webhooks_failure) == ("", "")
        assert state.config
        assert state.webhooks is not None

        bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/kyverno/rolebindings"
        raw_plane.send("DELETE", f"{bindings}/{holder.name}-kyverno-configuration")

        def collected() -> EngineState:
            world.collect()
            return EngineState.objects.get(cluster=cluster)

        later = eventually(collected, lambda found: bool(found.config_failure), in_a_row=1)
        assert "may not get configmaps" in later.config_failure
        assert later.config == state.config
        assert (
            CollectionRun.objects.filter(cluster=cluster).latest("started_at").state == "complete"
        )
