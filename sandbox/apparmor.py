"""What the API server does about AppArmor by itself, as Kubernetes 1.36 was seen to do it.

A bare Pod's annotation becomes its container's field before any policy looks; a template keeps both as written.
"""

from collections.abc import Iterator

from sandbox.pods import VISITED, containers, holder_path, is_windows, pod_holder
from sandbox.store import Manifest

PREFIX = "container.apparmor.security.beta.kubernetes.io/"
LOCALHOST_PREFIX = "localhost/"
TYPES = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
NAME_LIMIT = 4095


def copy_annotations(pod: Manifest) -> tuple[str, ...]:
    """Set, in place, the field of each container of which only an annotation speaks; give the warnings."""
    spec, annotations = pod.get("spec"), annotations_of(pod)
    if not isinstance(spec, dict) or is_windows(spec):
        return ()
    pod_profile = field_of(spec)
    warnings = []
    for _, container in containers(spec, VISITED):
        key = PREFIX + container["name"]
        if key not in annotations or field_of(container) is not None:
            continue
        profile = profile_of(annotations[key])
        if profile is not None and profile == pod_profile:
            continue
        warnings.append(_deprecated(f"metadata.annotations[{key}]"))
        if profile is not None and not any(_faults(profile)):
            context = container.get("securityContext") or {}
            container["securityContext"] = {**context, "appArmorProfile": profile}
    return tuple(warnings)


def template_warnings(manifest: Manifest) -> tuple[str, ...]:
    """Give the warnings about a template that was found valid; empty for what is no template."""
    holder = pod_holder(manifest)
    spec, annotations = holder.get("spec") or {}, annotations_of(holder)
    if manifest["kind"] == "Pod" or field_of(spec) is not None:
        return ()
    return tuple(
        _deprecated(f"{holder_path(manifest['kind'])}metadata.annotations[{key}]")
        for _, container in containers(spec, VISITED)
        if (key := PREFIX + container["name"]) in annotations and field_of(container) is None
    )


def annotations_of(holder: Manifest) -> dict[str, str]:
    """Give the AppArmor annotations in the metadata of a pod or template."""
    annotations = (holder.get("metadata") or {}).get("annotations") or {}
    return {key: value for key, value in annotations.items() if key.startswith(PREFIX)}


def field_of(holder: Manifest) -> Manifest | None:
    """Give the AppArmor profile in the security context of a pod spec or of a container."""
    profile: Manifest | None = (holder.get("securityContext") or {}).get("appArmorProfile")
    return profile


def profile_of(annotation: str) -> Manifest | None:
    """Translate an annotation's value to the field's; None where it sets nothing."""
    if annotation in TYPES:
        return {"type": TYPES[annotation]}
    name = annotation.removeprefix(LOCALHOST_PREFIX)
    return {"type": "Localhost", "localhostProfile": name} if name not in ("", annotation) else None


def _deprecated(path: str) -> str:
    return f'{path}: deprecated since v1.30; use the "appArmorProfile" field instead'


# What is refused


def _faults(profile: Manifest) -> Iterator[str]:
    return (
        name_faults(profile["localhostProfile"], "") if "localhostProfile" in profile else iter(())
    )


def name_faults(name: str | None, field: str) -> Iterator[str]:
    """Say what is wrong with the name of a Localhost profile."""
    if not name:
        yield f"{field}: Required value: must be set when AppArmor type is Localhost"
        return
    if name != name.strip():
        yield f'{field}: Invalid value: "{name}": must not be padded with whitespace'
    if len(name.encode()) > NAME_LIMIT:
        yield f"{field}: Too long: may not be more than {NAME_LIMIT} bytes"


def annotation_faults(manifest: Manifest, holder: Manifest) -> Iterator[str]:
    """Say what is wrong with the annotations of a pod or template, whatever the fields say."""
    names = {container["name"] for _, container in containers(holder.get("spec") or {})}
    stem = "metadata." if manifest["kind"] == "Pod" else holder_path(manifest["kind"])
    for key, value in sorted(annotations_of(holder).items()):
        name, path = key.removeprefix(PREFIX), f"{stem}annotations[{key}]"
        if name not in names:
            yield f'{path}: Invalid value: "{name}": container not found'
        if value and value not in TYPES and not value.startswith(LOCALHOST_PREFIX):
            yield f'{path}: Invalid value: "{value}": invalid AppArmor profile name: "{value}"'


def change_faults(pod: Manifest, old: Manifest) -> Iterator[str]:
    """Say which annotations of a living Pod were touched; they stay as they were created."""
    new_ones, old_ones = annotations_of(pod), annotations_of(old)
    for key in sorted({*new_ones, *old_ones}):
        if new_ones.get(key) != old_ones.get(key):
            what = "remove or update" if key in old_ones else "add"
            yield f"metadata.annotations[{key}]: Forbidden: may not {what} AppArmor annotations"


def contradictions(manifest: Manifest, holder: Manifest) -> Iterator[str]:
    """Say where an annotation and the field that takes effect disagree."""
    spec, annotations = holder.get("spec") or {}, annotations_of(holder)
    if is_windows(spec):
        return
    for place, container in containers(spec, VISITED):
        field = field_of(container) or field_of(spec)
        annotation = annotations.get(PREFIX + container["name"])
        if field is None or annotation is None or field.get("type") not in _ANNOTATION_STEMS:
            continue
        path = f"{holder_path(manifest['kind'])}spec.{place}.securityContext.appArmorProfile"
        if not _same_type(annotation, field["type"]):
            yield f"{path}.type: Forbidden: apparmor type in annotation and field must match"
        elif annotation.removeprefix(LOCALHOST_PREFIX) != field.get("localhostProfile", annotation):
            yield f"{path}.localhostProfile: Forbidden: apparmor profile in annotation and field must match"


_ANNOTATION_STEMS = {**{kind: text for text, kind in TYPES.items()}, "Localhost": LOCALHOST_PREFIX}


def _same_type(annotation: str, kind: str) -> bool:
    stem = _ANNOTATION_STEMS[kind]
    return annotation.startswith(stem) if kind == "Localhost" else annotation == stem
