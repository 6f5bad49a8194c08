"""Recognise Kyverno among the Deployments of a cluster, and read its version from the image tag."""

from dataclasses import dataclass

from policies.domain.objects import Controller

COMPONENT = "app.kubernetes.io/component"
ADMISSION_CONTROLLER = "admission-controller"
CONTAINER = "kyverno"


@dataclass(frozen=True, slots=True)
class Engine:
    """A Kyverno admission controller: where it runs, and its version (empty when pinned by digest only)."""

    namespace: str
    version: str


def find_engine(deployment: Controller) -> Engine | None:
    """Say whether this Deployment is Kyverno's admission controller.

    The label `app.kubernetes.io/version` is the chart's version, so only the image's tag counts (kyverno-facts 1.22).
    """
    labels = deployment.metadata.labels or {}
    if labels.get(COMPONENT) != ADMISSION_CONTROLLER or deployment.spec.template is None:
        return None
    for container in deployment.spec.template.spec.containers:
        if container.name == CONTAINER:
            return Engine(deployment.metadata.namespace, _tag(container.image))
    return None


def _tag(image: str) -> str:
    name = image.split("@", 1)[0].rsplit("/", 1)[-1]
    return name.rsplit(":", 1)[1] if ":" in name else ""


def is_system_namespace(name: str, engine_namespaces: frozenset[str]) -> bool:
    """Say whether admission policies do not reach this namespace by the engine's own defaults.

    Kyverno's webhooks leave out kube-system and its own namespace, its filters all of kube-* (kyverno-facts 5.32).
    """
    return name.startswith("kube-") or name in engine_namespaces
