"""AppArmor by name, laid over a pod spec of any shape: each way in which a pod gets, misses or loses its profile."""

from collections.abc import Callable

from sandbox.apparmor import PREFIX
from sandbox.pods import VISITED, containers
from sandbox.store import Manifest

Annotations = dict[str, str]
DEFAULT = {"type": "RuntimeDefault"}
UNCONFINED = {"type": "Unconfined"}


def confine(spec: Manifest, way: str) -> Annotations:
    """Set the fields of a pod spec, in place; give the annotations that go with it. Raises KeyError for a name that is none."""
    return _WAYS[way](spec)


def _localhost(name: str) -> Manifest:
    return {"type": "Localhost", "localhostProfile": name}


def _on_pod(profile: Manifest) -> Callable[[Manifest], Annotations]:
    def lay(spec: Manifest) -> Annotations:
        _set(spec, profile)
        return {}

    return lay


def _on_containers(
    profile: Manifest, *, first: int | None = None
) -> Callable[[Manifest], Annotations]:
    def lay(spec: Manifest) -> Annotations:
        for container in _all(spec)[:first]:
            _set(container, profile)
        return {}

    return lay


def _but_init(profile: Manifest) -> Callable[[Manifest], Annotations]:
    """The pod is fine; what runs before its containers is not."""

    def lay(spec: Manifest) -> Annotations:
        _set(spec, DEFAULT)
        for container in spec["initContainers"]:
            _set(container, profile)
        return {}

    return lay


def _annotated(value: str) -> Callable[[Manifest], Annotations]:
    return lambda spec: {PREFIX + container["name"]: value for container in _all(spec)}


def _overridden(value: str) -> Callable[[Manifest], Annotations]:
    """An annotation against the field of the pod: the API server takes that from a bare Pod only."""

    def lay(spec: Manifest) -> Annotations:
        _set(spec, DEFAULT)
        return {PREFIX + spec["containers"][0]["name"]: value}

    return lay


def _all(spec: Manifest) -> list[Manifest]:
    return [container for _, container in containers(spec, VISITED)]


def _set(holder: Manifest, profile: Manifest) -> None:
    context = holder.get("securityContext") or {}
    holder["securityContext"] = {**context, "appArmorProfile": dict(profile)}


_WAYS: dict[str, Callable[[Manifest], Annotations]] = {
    "none": lambda _spec: {},
    "default": _on_pod(DEFAULT),
    "containers": _on_containers(DEFAULT),
    "first": _on_containers(DEFAULT, first=1),
    "localhost": _on_pod(_localhost("k8s-web")),
    "localhost-elsewhere": _on_pod(_localhost("ntpd")),
    "localhost-unconfined": _on_pod(_localhost("unconfined")),
    "unconfined": _on_pod(UNCONFINED),
    "init-unconfined": _but_init(UNCONFINED),
    "annotation": _annotated("runtime/default"),
    "annotation-localhost": _annotated("localhost/k8s-web"),
    "annotation-unconfined": _annotated("unconfined"),
    "annotation-no-name": _annotated("localhost/"),
    "annotation-over-field": _overridden("unconfined"),
}
