"""What the API server fills in and refuses by itself, before any webhook: pod specs and the policies' schemas."""

from collections.abc import Iterator
from typing import Any

from policies.cluster.errors import ClusterError
from sandbox import policy as engine
from sandbox.admission import POD_SPEC_PATHS, TEMPLATE_PATH
from sandbox.kinds import POLICY_KINDS
from sandbox.refused import invalid
from sandbox.store import Manifest

POD_SPEC_DEFAULTS: dict[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
CONTAINER_DEFAULTS: dict[str, Any] = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
CLUSTER_POLICY_DEFAULTS: dict[str, Any] = {
    "admission": True,
    "background": True,
    "emitWarning": False,
    "validationFailureAction": "Audit",
}
CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")


def fill_in(manifest: Manifest) -> None:
    """Set the fields that the server would set, in place."""
    if manifest["kind"] in POLICY_KINDS:
        _fill_in_policy(manifest)
        return
    spec = pod_spec(manifest)
    if spec is not None:
        _default(spec, POD_SPEC_DEFAULTS)
        for _, container in _containers(spec):
            _default(container, CONTAINER_DEFAULTS)


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Find the pod spec of a workload; None in an object that has none."""
    kind = manifest["kind"]
    path = (
        ("template", "spec") if kind == "PodTemplate" else POD_SPEC_PATHS.get(kind, TEMPLATE_PATH)
    )
    found: Any = manifest
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _fill_in_policy(manifest: Manifest) -> None:
    spec = manifest["spec"]
    if manifest["kind"] == "ValidatingPolicy":
        evaluation = spec.setdefault("evaluation", {}) if "evaluation" in spec else None
        for part in ("admission", "background"):
            if evaluation is not None and part in evaluation:
                evaluation[part].setdefault("enabled", True)
        return
    _default(spec, CLUSTER_POLICY_DEFAULTS)
    for rule in spec.get("rules") or ():
        rule.setdefault("skipBackgroundRequests", True)
        validate = rule.get("validate")
        if validate is not None:
            validate.setdefault("allowExistingViolations", True)
            if "cel" in validate:
                validate["cel"].setdefault("generate", False)


def _default(target: Manifest, defaults: Manifest) -> None:
    for key, value in defaults.items():
        target.setdefault(key, dict(value) if isinstance(value, dict) else value)


def check(manifest: Manifest) -> None:
    """Refuse what the server refuses. Raises Invalid."""
    if manifest["kind"] in POLICY_KINDS:
        _check_policy(manifest)
    elif manifest["kind"] != "Namespace":
        spec = pod_spec(manifest)
        faults = tuple(_spec_faults(spec)) if spec is not None else ()
        if faults:
            listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise invalid(manifest["kind"], manifest["metadata"]["name"], listed)


def _check_policy(manifest: Manifest) -> None:
    try:
        engine.read(manifest)
    except engine.UnknownPolicy as unknown:
        raise _not_ours(manifest, str(unknown)) from unknown
    except (KeyError, TypeError, AttributeError) as malformed:
        raise _not_ours(manifest, f"a field of the wrong shape ({malformed})") from malformed


def _not_ours(manifest: Manifest, unknown: str) -> ClusterError:
    said = f"the sandbox runs only the policies that secprof compiles, and this one has {unknown}"
    return invalid(manifest["kind"], manifest["metadata"]["name"], said)


def _spec_faults(spec: Manifest) -> Iterator[str]:
    if not spec.get("containers"):
        yield "spec.containers: Required value"
    windows = (spec.get("os") or {}).get("name") == "windows"
    yield from _profile_faults(spec.get("securityContext"), "spec.securityContext", windows=windows)
    for path, container in _containers(spec):
        yield from _profile_faults(container.get("securityContext"), path, windows=windows)


def _profile_faults(context: Manifest | None, path: str, *, windows: bool) -> Iterator[str]:
    profile = (context or {}).get("seccompProfile")
    if profile is None:
        return
    field = f"{path}.seccompProfile"
    kind, local = profile.get("type"), profile.get("localhostProfile")
    if windows:
        yield f"{field}: Forbidden: cannot be set for a windows pod"
    elif not kind:
        yield f"{field}.type: Required value: type is required when seccompProfile is set"
    elif kind not in PROFILE_TYPES:
        supported = ", ".join(f'"{name}"' for name in PROFILE_TYPES)
        yield f'{field}.type: Unsupported value: "{kind}": supported values: {supported}'
    elif kind == "Localhost":
        yield from _path_faults(local, f"{field}.localhostProfile")
    elif local is not None:
        yield f"{field}.localhostProfile: Invalid value: can only be set when seccomp type is Localhost"


def _path_faults(local: str | None, field: str) -> Iterator[str]:
    if local is None:
        yield f"{field}: Required value: must be set when seccomp type is Localhost"
    elif local.startswith("/"):
        yield f'{field}: Invalid value: "{local}": must be a relative path'
    elif ".." in local.split("/"):
        yield f"{field}: Invalid value: \"{local}\": must not contain '..'"


def _containers(spec: Manifest) -> Iterator[tuple[str, Manifest]]:
    for name in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(name) or ()):
            yield f"spec.{name}[{index}].securityContext", container
