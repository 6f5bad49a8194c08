"""The main job on a real control plane: two teams' namespaces, a workload that violates, and raw requests."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from controlplane import ControlPlane
from policies.actions import clusters
from policies.actions.specs import resources_of
from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.library import API_VERSIONS, Target
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import Rehearsal, ResultTally, Variant
from tests.contract.planes import MERGE_PATCH, STRATEGIC_PATCH, Manifest, Plane, Reply, eventually
from tests.world import BAD, GOOD, People, World, deployment

NAMESPACES = ("team-a", "team-b")
VIOLATOR = "ftp"
NAMES = {"seccomp": "require-seccomp", "apparmor": "job-apparmor", "confined-pods": "job-confined"}
"""Of the variants that tests of the job make, by template."""
KINDS = tuple(
    resource
    for target in Target
    for resource in reversed(resources_of(target, API_VERSIONS[target][0]))
)
"""Of their objects, bindings before what they bind."""
REPORT_SECONDS = 300
"""On a busy machine the engine takes its time."""
TRIES = 3


@dataclass
class Job:
    """One control plane with the world of people that work on it."""

    plane: ControlPlane
    raw: Plane
    world: World

    def ask(self, namespace: str, container: dict[str, Any], *policies: str) -> PodAnswer:
        """Ask with a raw dry-run what becomes of a pod with this container."""
        reply = self.raw.create(pod("probe", container), namespace, dry_run=True)
        return read_answer(
            policies=policies,
            warnings=reply.warnings,
            raw=reply.text,
            engine_down=reply.status == 500,
        )

    def awaits_reports(self, variant: Variant, namespace: str) -> ResultTally:
        """Collect until the engine has reported on the one workload of this namespace."""

        def tally() -> ResultTally | None:
            self.world.collect()
            return ResultTally.objects.filter(
                cluster=self.world.cluster,
                policy=variant.name,
                namespace=namespace,
                judged_workload_count=1,
            ).first()

        found = eventually(tally, lambda t: t is not None, seconds=REPORT_SECONDS)
        assert found is not None
        return found

    def installed(self, target: str, *, template: str = "seccomp") -> Variant:
        """A variant in Audit; an engine that is starting or out of breath gets another chance."""
        variant = self.world.variant(target, name=NAMES[template], template=template)
        for _ in range(TRIES):
            flip = self.world.approve(self.world.request(variant, FlipVerb.INSTALL))
            if self.world.run(flip) is RolloutStatus.PROVEN:
                return variant
            flip.refresh_from_db()
            clear_policies(self.raw)
        raise AssertionError(flip.closing_message)

    def rehearsed(self, variant: Variant, *namespaces: str) -> tuple[Rehearsal, ...]:
        """Rehearsals that came to their end, however long the engine takes to answer."""
        return eventually(
            lambda: self.world.rehearse(variant, *namespaces),
            lambda rehearsals: all(r.state == Rehearsal.State.DONE for r in rehearsals),
            seconds=120,
        )

    def live_names(self, variant: Variant) -> set[str]:
        """Name the objects of a variant that are on the cluster."""
        return {
            item["metadata"]["name"]
            for _, item in written(self.raw)
            if item["metadata"]["labels"]["secprof.io/variant"] == variant.name
        }

    def policy(self, variant: Variant, name: str) -> Manifest:
        manifest = {
            "apiVersion": variant.api_version,
            "kind": variant.target,
            "metadata": {"name": name},
        }
        return self.raw.get(manifest).body

    def edit(self, manifest: Manifest, change: Manifest) -> Reply:
        return self.raw.patch(manifest, change, content_type=MERGE_PATCH)


def pod(name: str, container: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [copy.deepcopy(container)]},
    }


def open_job(plane: ControlPlane, people: People) -> Iterator[Job]:
    """Set the stage, hand it over, and clear it away."""
    raw = Plane(plane.kubeconfig)
    clear(raw)
    for namespace in NAMESPACES:
        raw.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": namespace, "labels": {"team": namespace}},
            }
        )
        raw.create(service_account(namespace))
    cluster = clusters.add_cluster(
        name=f"job-{plane.name}",
        kubeconfig=plane.kubeconfig.read_text(),
        context=None,
        by=people.admin,
        now=timezone.now(),
    )
    job = Job(plane, raw, World(people, cluster))
    job.world.collect()
    yield job
    clear(raw)


def service_account(namespace: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }


def clear(raw: Plane) -> None:
    """Remove what a test left: policies first, so that nothing refuses the rest."""
    clear_policies(raw)
    for namespace in NAMESPACES:
        raw.send("DELETE", f"/api/v1/namespaces/{namespace}")
    eventually(
        lambda: [raw.send("GET", f"/api/v1/namespaces/{n}").status for n in NAMESPACES],
        lambda statuses: set(statuses) == {404},
        seconds=180,
    )


def clear_policies(raw: Plane) -> None:
    """Remove every object of the variants that tests of the job make."""
    for path, item in written(raw):
        raw.send("DELETE", f"{path}/{item['metadata']['name']}")


def written(raw: Plane) -> Iterator[tuple[str, Manifest]]:
    """Yield the objects of these variants, each with the path of its list."""
    for resource in KINDS:
        path = f"/apis/{resource.api_version}/{resource.plural}"
        for item in raw.send("GET", path).body.get("items", ()):
            if item["metadata"].get("labels", {}).get("secprof.io/variant") in NAMES.values():
                yield path, item


__all__ = [
    "BAD",
    "GOOD",
    "STRATEGIC_PATCH",
    "VIOLATOR",
    "AnswerOutcome",
    "Job",
    "deployment",
    "open_job",
]
