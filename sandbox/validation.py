"""What the API server refuses by itself, before any webhook: impossible pods, and policies that nobody here can run."""

from collections.abc import Callable, Iterator

from policies.cluster.errors import ClusterError
from policies.cluster.gateway import NATIVE_BINDINGS, NATIVE_POLICIES
from sandbox import apparmor, exceptions, kinds, native
from sandbox import policy as engine
from sandbox.known import UnknownPolicy
from sandbox.pods import containers, holder_path, is_windows, is_workload, pod_holder
from sandbox.refused import invalid
from sandbox.store import Manifest

PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")


def check(manifest: Manifest, old: Manifest | None = None) -> None:
    """Refuse what the server refuses to create, or to write over what stood there. Raises Invalid."""
    if manifest["kind"] in (*kinds.POLICY_KINDS, kinds.EXCEPTION):
        _check_policy(manifest)
    elif is_workload(manifest["kind"]):
        faults = tuple(_faults(manifest, old))
        if faults:
            raise _invalid(manifest, faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def _invalid(manifest: Manifest, why: str) -> ClusterError:
    return invalid(kinds.resource_of(manifest), manifest["metadata"]["name"], why)


def _check_policy(manifest: Manifest) -> None:
    try:
        _READERS[manifest["kind"]](manifest)
    except UnknownPolicy as unknown:
        raise _not_ours(manifest, str(unknown)) from unknown
    except (KeyError, TypeError, AttributeError, ValueError) as malformed:
        raise _not_ours(manifest, f"a field of the wrong shape ({malformed})") from malformed


_READERS: dict[str, Callable[[Manifest], object]] = {
    **dict.fromkeys(kinds.ENGINE_KINDS, engine.read),
    NATIVE_POLICIES.kind: native.read_policy,
    NATIVE_BINDINGS.kind: native.read_binding,
    kinds.EXCEPTION: exceptions.read,
}


def _not_ours(manifest: Manifest, unknown: str) -> ClusterError:
    said = f"the sandbox runs only what secprof compiles, and this one has {unknown}"
    return _invalid(manifest, said)


def _faults(manifest: Manifest, old: Manifest | None) -> Iterator[str]:
    """In the order in which the server lists them."""
    holder = pod_holder(manifest)
    if not isinstance(holder.get("spec"), dict):
        return
    yield from apparmor.annotation_faults(manifest, holder)
    yield from _spec_faults(holder["spec"], f"{holder_path(manifest['kind'])}spec")
    if manifest["kind"] == "Pod" and old is not None:
        yield from apparmor.change_faults(manifest, old)
    else:
        yield from apparmor.contradictions(manifest, holder)


def _spec_faults(spec: Manifest, path: str) -> Iterator[str]:
    if not spec.get("containers"):
        yield f"{path}.containers: Required value"
    windows = is_windows(spec)
    for place, container in containers(spec):
        context = container.get("securityContext") or {}
        yield from _context_faults(context, f"{path}.{place}.securityContext", windows=windows)
    context = spec.get("securityContext") or {}
    yield from _context_faults(context, f"{path}.securityContext", windows=windows)


def _context_faults(context: Manifest, path: str, *, windows: bool) -> Iterator[str]:
    for name in ("seccompProfile", "appArmorProfile"):
        profile, field = context.get(name), f"{path}.{name}"
        if profile is None:
            continue
        if windows:
            yield f"{field}: Forbidden: cannot be set for a windows pod"
        else:
            yield from _profile_faults(profile, name, field)


def _profile_faults(profile: Manifest, name: str, field: str) -> Iterator[str]:
    kind, local = profile.get("type"), profile.get("localhostProfile")
    seccomp = name == "seccompProfile"
    if not kind:
        yield f"{field}.type: Required value: type is required when {name} is set"
    elif kind not in PROFILE_TYPES:
        supported = ", ".join(f'"{known}"' for known in PROFILE_TYPES)
        yield f'{field}.type: Unsupported value: "{kind}": supported values: {supported}'
    elif kind == "Localhost":
        faults = _path_faults if seccomp else apparmor.name_faults
        yield from faults(local, f"{field}.localhostProfile")
    elif local is not None:
        word = "seccomp" if seccomp else "AppArmor"
        yield (
            f'{field}.localhostProfile: Invalid value: "{local}": '
            f"can only be set when {word} type is Localhost"
        )


def _path_faults(local: str | None, field: str) -> Iterator[str]:
    if local is None:
        yield f"{field}: Required value: must be set when seccomp type is Localhost"
    elif local.startswith("/"):
        yield f'{field}: Invalid value: "{local}": must be a relative path'
    elif ".." in local.split("/"):
        yield f"{field}: Invalid value: \"{local}\": must not contain '..'"
