"""The six controls over the profiles that stand in a pod: findings, and one result a control.

The same rules stand as CEL in `policies.domain.library`; tests hold both together on the same cases.
"""

from collections.abc import Callable, Iterator

from policies.domain.controls import Control, Mechanism
from policies.domain.parameters import (
    LOCALHOST,
    PROFILE_TYPES,
    Parameters,
    is_safe_path,
    is_unconfined,
)
from policies.domain.patterns import matches_any
from policies.domain.posture import messages
from policies.domain.posture.declared import (
    APPARMOR_PREFIX,
    FIELDS,
    Declared,
    DeclaredContainer,
    DeclaredPod,
)
from policies.domain.posture.records import Finding, Result, Source

Mechanisms = tuple[Mechanism, ...]

_OF: dict[Control, Mechanism] = {
    Control.REQUIRE_SECCOMP: Mechanism.SECCOMP,
    Control.DENY_UNCONFINED_SECCOMP: Mechanism.SECCOMP,
    Control.REQUIRE_APPARMOR: Mechanism.APPARMOR,
    Control.DENY_UNCONFINED_APPARMOR: Mechanism.APPARMOR,
}
_REQUIRING = frozenset({Control.REQUIRE_SECCOMP, Control.REQUIRE_APPARMOR})


def judge_pod(
    pod: DeclaredPod, parameters: Parameters, mechanisms: Mechanisms
) -> tuple[tuple[Finding, ...], tuple[tuple[Control, Result], ...]]:
    """Judge a pod by each control that is asked; C5 and C6 look at these mechanisms alone."""
    findings: list[Finding] = []
    results = []
    for control in parameters.controls:
        found = _FINDINGS[control](control, pod, parameters, mechanisms)
        before = len(findings)
        findings.extend(found)
        if len(findings) > before:
            result = Result.FAIL
        elif control in _OF:
            result = Result.PASS
        else:
            result = _result_about_localhost(control, pod, parameters, mechanisms)
        results.append((control, result))
    return tuple(findings), tuple(results)


# C1 to C4


def _require(
    control: Control, pod: DeclaredPod, parameters: Parameters, _: Mechanisms
) -> Iterator[Finding]:
    mechanism = _OF[control]
    types = parameters.of(mechanism).types
    on_pod = pod.of(mechanism)
    if on_pod is not None and not _meets(on_pod, types, mechanism):
        yield _bad(control, mechanism, None, on_pod, types)
    for container in pod.containers:
        own = container.own(mechanism)
        if own is not None:
            if not _meets(own, types, mechanism):
                yield _bad(control, mechanism, container, own, types)
        elif on_pod is None:
            yield _unset(control, mechanism, container, types, pod.apparmor_annotations_path)


def _deny(control: Control, pod: DeclaredPod, _: Parameters, __: Mechanisms) -> Iterator[Finding]:
    mechanism = _OF[control]
    on_pod = pod.of(mechanism)
    if on_pod is not None and _is_bad(on_pod, mechanism):
        yield _bad(control, mechanism, None, on_pod, PROFILE_TYPES)
    for container in pod.containers:
        for own in (container.own(mechanism), _overruled(container, mechanism)):
            if own is not None and _is_bad(own, mechanism):
                yield _bad(control, mechanism, container, own, PROFILE_TYPES)


def _overruled(container: DeclaredContainer, mechanism: Mechanism) -> Declared | None:
    return container.overruled if mechanism is Mechanism.APPARMOR else None


def _meets(declared: Declared, types: tuple[str, ...], mechanism: Mechanism) -> bool:
    if declared.type not in types or _is_bad(declared, mechanism):
        return False
    # `localhost/` without a name passes the API server; the kubelet refuses it.
    return mechanism is Mechanism.SECCOMP or declared.type != LOCALHOST or bool(declared.reference)


def _is_bad(declared: Declared, mechanism: Mechanism) -> bool:
    if declared.type not in PROFILE_TYPES:
        return True
    return (
        mechanism is Mechanism.APPARMOR
        and declared.type == LOCALHOST
        and is_unconfined(declared.reference)
    )


# C5 and C6


def _localhost_containers(
    pod: DeclaredPod, mechanisms: Mechanisms
) -> Iterator[tuple[Mechanism, DeclaredContainer, Declared]]:
    for mechanism in mechanisms:
        for container in pod.containers:
            declared = container.own(mechanism) or pod.of(mechanism)
            if declared is not None and declared.type == LOCALHOST:
                yield mechanism, container, declared


def _localhost_values(
    pod: DeclaredPod, mechanisms: Mechanisms
) -> Iterator[tuple[Mechanism, DeclaredContainer | None, Declared]]:
    for mechanism in mechanisms:
        on_pod = pod.of(mechanism)
        if on_pod is not None and on_pod.type == LOCALHOST:
            yield mechanism, None, on_pod
        for container in pod.containers:
            own = container.own(mechanism)
            if own is not None and own.type == LOCALHOST:
                yield mechanism, container, own


def _installed(
    control: Control, pod: DeclaredPod, parameters: Parameters, mechanisms: Mechanisms
) -> Iterator[Finding]:
    for mechanism, container, declared in _localhost_containers(pod, mechanisms):
        installed = parameters.of(mechanism).installed
        if installed is not None and (declared.reference or "") not in installed:
            message = messages.not_installed(mechanism, container, declared)
            yield _finding(control, mechanism, container, declared, message)


def _allowed(
    control: Control, pod: DeclaredPod, parameters: Parameters, mechanisms: Mechanisms
) -> Iterator[Finding]:
    for mechanism, container, declared in _localhost_values(pod, mechanisms):
        if not is_allowed(mechanism, declared.reference or "", parameters):
            message = messages.not_allowed(mechanism, container, declared)
            yield _finding(control, mechanism, container, declared, message)


def is_allowed(mechanism: Mechanism, reference: str, parameters: Parameters) -> bool:
    """Say whether a Localhost profile of this path or name may be used."""
    part = parameters.of(mechanism)
    if mechanism is Mechanism.SECCOMP:
        fit = is_safe_path(reference)
    else:
        fit = bool(reference) and not is_unconfined(reference)
    return fit and matches_any(part.allowed, reference) and not matches_any(part.denied, reference)


def _result_about_localhost(
    control: Control, pod: DeclaredPod, parameters: Parameters, mechanisms: Mechanisms
) -> Result:
    """Give the result of C5 or C6 where nothing was found."""
    if control is Control.ALLOWED_PROFILES:
        values = _localhost_values(pod, mechanisms)
        return Result.PASS if any(True for _ in values) else Result.NOT_APPLICABLE
    judged = {mechanism for mechanism, _, _ in _localhost_containers(pod, mechanisms)}
    if any(parameters.of(mechanism).installed is None for mechanism in judged):
        return Result.UNKNOWN
    return Result.PASS if judged else Result.NOT_APPLICABLE


_Find = Callable[[Control, DeclaredPod, Parameters, Mechanisms], Iterator[Finding]]
_FINDINGS: dict[Control, _Find] = {
    Control.PROFILE_INSTALLED: _installed,
    Control.ALLOWED_PROFILES: _allowed,
    **{control: _require if control in _REQUIRING else _deny for control in _OF},
}


# Findings


def _unset(
    control: Control,
    mechanism: Mechanism,
    container: DeclaredContainer,
    types: tuple[str, ...],
    annotations_path: str,
) -> Finding:
    name = container.container.name
    path = f"{container.path}.{FIELDS[mechanism]}.type"
    message = messages.unset(mechanism, container, types)
    if annotations_path and mechanism is Mechanism.APPARMOR:
        path = f"{annotations_path}[{APPARMOR_PREFIX}{name}]"
        message = messages.not_annotated(container)
    return Finding(control, mechanism, name, container.role, path, "", message)


def _bad(
    control: Control,
    mechanism: Mechanism,
    container: DeclaredContainer | None,
    declared: Declared,
    types: tuple[str, ...],
) -> Finding:
    return Finding(
        control,
        mechanism,
        container.container.name if container is not None else "",
        container.role if container is not None else None,
        declared.path if declared.source is Source.ANNOTATION else f"{declared.path}.type",
        declared.type,
        messages.bad(mechanism, container, declared, types),
    )


def _finding(
    control: Control,
    mechanism: Mechanism,
    container: DeclaredContainer | None,
    declared: Declared,
    message: str,
) -> Finding:
    at = declared.path
    return Finding(
        control,
        mechanism,
        container.container.name if container is not None else "",
        container.role if container is not None else None,
        at if declared.source is Source.ANNOTATION else f"{at}.localhostProfile",
        declared.type,
        message,
    )
