"""Pod specs by name: each way in which a pod gets, misses or loses its seccomp profile."""

from collections.abc import Callable

from sandbox.store import Manifest

IMAGES = "images.example.com"
DEFAULT = {"type": "RuntimeDefault"}
UNCONFINED = {"type": "Unconfined"}


def build(shape: str, image: str) -> Manifest:
    """Build a pod spec of this shape. Raises KeyError for a name that is none."""
    return _SHAPES[shape](f"{IMAGES}/{image}")


def ephemeral(shape: str) -> Manifest:
    """Build an ephemeral container as `kubectl debug` adds it: `unset` or `unconfined`."""
    profile = {"unset": None, "unconfined": UNCONFINED}[shape]
    container = _container("debugger-x7k2p", f"{IMAGES}/platform/toolbox:3", profile)
    return {**container, "targetContainerName": "app"}


def _container(
    name: str, image: str, profile: Manifest | None = None, **context: object
) -> Manifest:
    if profile is not None:
        context["seccompProfile"] = profile
    container: Manifest = {"name": name, "image": image}
    if context:
        container["securityContext"] = context
    return container


def _spec(pod_profile: Manifest | None, *containers: Manifest, **lists: list[Manifest]) -> Manifest:
    spec: Manifest = {"containers": list(containers), **lists}
    if pod_profile is not None:
        spec["securityContext"] = {"seccompProfile": pod_profile}
    return spec


def _sidecar(image: str, profile: Manifest | None) -> Manifest:
    return {**_container("mesh-proxy", image, profile), "restartPolicy": "Always"}


def _localhost(path: str) -> Manifest:
    return {"type": "Localhost", "localhostProfile": path}


def _windows(image: str) -> Manifest:
    spec = _spec(None, _container("app", image))
    return {**spec, "os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "windows"}}


MESH = f"{IMAGES}/platform/mesh-proxy:1.31"
MIGRATE = f"{IMAGES}/platform/migrate:5"

_SHAPES: dict[str, Callable[[str], Manifest]] = {
    "good": lambda image: _spec(DEFAULT, _container("app", image)),
    "good-containers": lambda image: _spec(
        None,
        _container("app", image, DEFAULT),
        initContainers=[_container("migrate", MIGRATE, DEFAULT)],
    ),
    "good-localhost": lambda image: _spec(
        DEFAULT, _container("app", image, _localhost("profiles/web-fine.json"))
    ),
    "good-operator": lambda image: _spec(
        DEFAULT, _container("app", image, _localhost("operator/web-fine.json"))
    ),
    "good-operator-rare": lambda image: _spec(
        DEFAULT, _container("app", image, _localhost("operator/key-rotation.json"))
    ),
    "good-sidecar": lambda image: _spec(
        DEFAULT, _container("app", image), initContainers=[_sidecar(MESH, None)]
    ),
    "unset": lambda image: _spec(None, _container("app", image)),
    "dead-annotation": lambda image: _spec(None, _container("app", image)),
    "one-unset": lambda image: _spec(
        None, _container("app", image, DEFAULT), _container("log-tail", MESH)
    ),
    "init-unset": lambda image: _spec(
        None, _container("app", image, DEFAULT), initContainers=[_container("migrate", MIGRATE)]
    ),
    "init-unconfined": lambda image: _spec(
        DEFAULT,
        _container("app", image),
        initContainers=[_container("fetch-weights", MIGRATE, UNCONFINED)],
    ),
    "sidecar-unset": lambda image: _spec(
        None, _container("app", image, DEFAULT), initContainers=[_sidecar(MESH, None)]
    ),
    "sidecar-unconfined": lambda image: _spec(
        DEFAULT, _container("app", image), initContainers=[_sidecar(MESH, UNCONFINED)]
    ),
    "ephemeral-unset": lambda image: _spec(
        None, _container("app", image, DEFAULT), ephemeralContainers=[ephemeral("unset")]
    ),
    "pod-unconfined": lambda image: _spec(UNCONFINED, _container("app", image)),
    "pod-unconfined-set": lambda image: _spec(UNCONFINED, _container("app", image, DEFAULT)),
    "container-unconfined": lambda image: _spec(
        DEFAULT, _container("app", image, UNCONFINED), _container("log-tail", MESH)
    ),
    "privileged": lambda image: _spec(DEFAULT, _container("app", image, privileged=True)),
    "privileged-unset": lambda image: _spec(None, _container("app", image, privileged=True)),
    "sys-admin": lambda image: _spec(
        DEFAULT, _container("app", image, capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]})
    ),
    "localhost-empty": lambda image: _spec(_localhost(""), _container("app", image)),
    "trace": lambda image: _spec(
        _localhost("operator/log-enricher-trace.json"), _container("app", image)
    ),
    "windows": _windows,
}

ANNOTATIONS = {"dead-annotation": {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}}
"""By shape: what its pods carry as annotations. No supported kubelet reads these any more."""
