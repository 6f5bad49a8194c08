"""The profiles that stand in a pod: on the pod, on each container, in annotations. What takes effect is another question."""

from collections.abc import Iterator, Mapping

import msgspec

from policies.domain.controls import Mechanism
from policies.domain.facts import ClusterFacts
from policies.domain.objects import (
    AppArmorProfile,
    Container,
    ObjectMeta,
    PodSpec,
    SeccompProfile,
    SecurityContext,
    WorkloadKind,
)
from policies.domain.parameters import LOCALHOST, RUNTIME_DEFAULT
from policies.domain.posture.pods import annotations_path, spec_path
from policies.domain.posture.records import Role, Source, UnreadablePodSpec

UNCONFINED = "Unconfined"
SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
LIST_OF_ROLE = {
    Role.CONTAINER: "containers",
    Role.INIT: "initContainers",
    Role.SIDECAR: "initContainers",
    Role.EPHEMERAL: "ephemeralContainers",
}
FIELDS = {
    Mechanism.SECCOMP: "securityContext.seccompProfile",
    Mechanism.APPARMOR: "securityContext.appArmorProfile",
}
_SECCOMP_FIELD, _APPARMOR_FIELD = FIELDS.values()
_ANNOTATION_TYPES = {"runtime/default": RUNTIME_DEFAULT, "unconfined": UNCONFINED}
_LOCALHOST_ANNOTATION = "localhost/"
_LONGEST_NAME = 4095
_WITHOUT_REFERENCE = (RUNTIME_DEFAULT, UNCONFINED)


class Declared(msgspec.Struct, frozen=True, gc=False):
    """A profile as it stands somewhere in an object."""

    type: str
    """As written; an annotation's text in the words of the field."""
    reference: str | None
    source: Source
    path: str
    """Of the field that holds type and reference, or of the annotation."""


class DeclaredContainer(msgspec.Struct, frozen=True, gc=False):
    """A container with the profiles that stand on it; None where it takes the pod's."""

    container: Container
    role: Role
    path: str
    seccomp: Declared | None
    apparmor: Declared | None
    overruled: Declared | None
    """An AppArmor annotation beside a field. The API server wants both to agree."""

    def own(self, mechanism: Mechanism) -> Declared | None:
        return self.seccomp if mechanism is Mechanism.SECCOMP else self.apparmor

    @property
    def is_privileged(self) -> bool:
        context = self.container.security_context
        return context is not None and context.privileged is True


class DeclaredPod(msgspec.Struct, frozen=True, gc=False):
    """A pod with the profiles that stand on it, and its containers: init, main, ephemeral."""

    path: str
    """Of the pod spec."""
    seccomp: Declared | None
    apparmor: Declared | None
    containers: tuple[DeclaredContainer, ...]
    apparmor_annotations_path: str
    """Where AppArmor profiles stand on a cluster that has no fields for them; empty on others."""

    def of(self, mechanism: Mechanism) -> Declared | None:
        return self.seccomp if mechanism is Mechanism.SECCOMP else self.apparmor


class _Heard(msgspec.Struct, frozen=True, gc=False):
    """What a cluster takes notice of."""

    seccomp: Mapping[str, str]
    """Annotations; empty when kubelets do not read them."""
    apparmor: Mapping[str, str]
    has_apparmor_fields: bool
    annotations_path: str


def read_pod(
    kind: WorkloadKind,
    metadata: ObjectMeta,
    spec: PodSpec,
    *,
    facts: ClusterFacts,
    apparmor_annotations: bool,
) -> DeclaredPod:
    """Read every profile that a cluster with these facts takes notice of.

    Raises:
        UnreadablePodSpec: the API server would not have one of them.
    """
    annotations = metadata.annotations or {}
    heard = _Heard(
        annotations if facts.reads_seccomp_annotations else {},
        annotations if apparmor_annotations else {},
        facts.has_apparmor_fields,
        annotations_path(kind),
    )
    path = spec_path(kind)
    context = spec.security_context
    seccomp = _seccomp_field(context, path, Source.POD)
    if seccomp is None and heard.seccomp:
        seccomp = _seccomp_annotation(heard, SECCOMP_POD_ANNOTATION)
    apparmor = _apparmor_field(context, path, Source.POD) if heard.has_apparmor_fields else None
    containers = tuple(_container(c, role, at, heard) for c, role, at in containers_of(spec, path))
    by_annotation = "" if heard.has_apparmor_fields else heard.annotations_path
    return DeclaredPod(path, seccomp, apparmor, containers, by_annotation)


def containers_of(spec: PodSpec, path: str) -> Iterator[tuple[Container, Role, str]]:
    """Walk all containers, each with its role and its path in the object."""
    for index, container in enumerate(spec.init_containers or ()):
        role = Role.SIDECAR if container.restart_policy == "Always" else Role.INIT
        yield container, role, f"{path}.initContainers[{index}]"
    for index, container in enumerate(spec.containers):
        yield container, Role.CONTAINER, f"{path}.containers[{index}]"
    for index, container in enumerate(spec.ephemeral_containers or ()):
        yield container, Role.EPHEMERAL, f"{path}.ephemeralContainers[{index}]"


def _container(container: Container, role: Role, path: str, heard: _Heard) -> DeclaredContainer:
    context = container.security_context
    seccomp = _seccomp_field(context, path, Source.CONTAINER)
    if seccomp is None and heard.seccomp:
        seccomp = _seccomp_annotation(heard, SECCOMP_PREFIX + container.name)
    field = _apparmor_field(context, path, Source.CONTAINER) if heard.has_apparmor_fields else None
    annotation = None
    if heard.apparmor and role is not Role.EPHEMERAL:
        annotation = _apparmor_annotation(heard, container.name)
    if field is None:
        return DeclaredContainer(container, role, path, seccomp, annotation, None)
    return DeclaredContainer(container, role, path, seccomp, field, annotation)


def _seccomp_field(context: SecurityContext | None, at: str, source: Source) -> Declared | None:
    profile = context.seccomp_profile if context is not None else None
    if profile is None:
        return None
    path = f"{at}.{_SECCOMP_FIELD}"
    _check_shape(profile, path)
    reference = profile.localhost_profile
    if reference and (reference.startswith("/") or ".." in reference.split("/")):
        raise UnreadablePodSpec(
            f"The seccomp profile path {reference!r} must be relative and stay below its folder.",
            path,
        )
    return Declared(profile.type, reference, source, path)


def _apparmor_field(context: SecurityContext | None, at: str, source: Source) -> Declared | None:
    profile = context.app_armor_profile if context is not None else None
    if profile is None:
        return None
    path = f"{at}.{_APPARMOR_FIELD}"
    _check_shape(profile, path)
    name = profile.localhost_profile
    if name is not None and not (name == name.strip() and 0 < len(name) <= _LONGEST_NAME):
        raise UnreadablePodSpec(
            f"The AppArmor profile name {name[:80]!r} must not be empty, too long, or padded with spaces.",
            path,
        )
    return Declared(profile.type, name, source, path)


def _check_shape(profile: SeccompProfile | AppArmorProfile, path: str) -> None:
    """Refuse what the API server refuses, so that a manifest from elsewhere is not called good."""
    if profile.type == LOCALHOST and profile.localhost_profile is None:
        raise UnreadablePodSpec("A Localhost profile needs localhostProfile.", path)
    if profile.type in _WITHOUT_REFERENCE and profile.localhost_profile is not None:
        raise UnreadablePodSpec(
            f"localhostProfile may stand with the type Localhost alone, not with {profile.type}.",
            path,
        )


def _seccomp_annotation(heard: _Heard, key: str) -> Declared | None:
    text = heard.seccomp.get(key)
    if text is None:
        return None
    return _annotation("runtime/default" if text == "docker/default" else text, key, heard)


def _apparmor_annotation(heard: _Heard, container: str) -> Declared | None:
    key = APPARMOR_PREFIX + container
    text = heard.apparmor.get(key)
    return _annotation(text, key, heard) if text else None


def _annotation(text: str, key: str, heard: _Heard) -> Declared:
    path = f"{heard.annotations_path}[{key}]"
    if text.startswith(_LOCALHOST_ANNOTATION):
        reference = text.removeprefix(_LOCALHOST_ANNOTATION)
        return Declared(LOCALHOST, reference, Source.ANNOTATION, path)
    return Declared(_ANNOTATION_TYPES.get(text, text), None, Source.ANNOTATION, path)
