"""The objects of the nine kinds as they are kept between two runs: what judges read of each, and whose it is."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from policies.domain.objects import (
    STRUCT_BY_KIND,
    ObjectMeta,
    OwnerReference,
    Workload,
    WorkloadKind,
)

HELM_RELEASE = "meta.helm.sh/release-name"
_MECHANISMS = ("seccomp", "apparmor")
"""What stands in the key of every annotation that a judge reads."""
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_DECODERS: Mapping[WorkloadKind, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(struct) for kind, struct in STRUCT_BY_KIND.items()
}


def pack(workload: Workload) -> bytes:
    """Pack what a judge reads of a workload, and nothing else: not its name and uid, no version, no status of its own.

    Two objects that are judged alike in one namespace give the same bytes; what changes without being judged
    changes none.
    """
    changes: dict[str, Any] = {"metadata": _kept(workload.metadata)}
    template = getattr(workload, "template", None)
    if template is not None:
        changes["template"] = _template(template)
    spec: Any = getattr(workload, "spec", None)
    if getattr(spec, "template", None) is not None:
        changes["spec"] = msgspec.structs.replace(spec, template=_template(spec.template))
    job = getattr(spec, "job_template", None)
    if job is not None:
        inner = job.spec
        if inner.template is not None:
            inner = msgspec.structs.replace(inner, template=_template(inner.template))
        changes["spec"] = msgspec.structs.replace(
            spec, job_template=msgspec.structs.replace(job, spec=inner, metadata=None)
        )
    return _ENCODER.encode(msgspec.structs.replace(workload, **changes))


def unpack(kind: WorkloadKind, body: bytes, *, uid: str, namespace: str, name: str) -> Workload:
    """Give back the workload that was packed, with its name."""
    workload: Workload = _DECODERS[kind].decode(body)
    meta = msgspec.structs.replace(workload.metadata, uid=uid, namespace=namespace, name=name)
    return msgspec.structs.replace(workload, metadata=meta)


def body_hash(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _template(template: Any) -> Any:
    if template.metadata is None:
        return template
    return msgspec.structs.replace(template, metadata=_kept(template.metadata))


def _kept(meta: ObjectMeta) -> ObjectMeta:
    controller = meta.controller
    return ObjectMeta(
        labels=meta.labels or None,
        annotations=_read_annotations(meta.annotations),
        owner_references=(_reference(controller),) if controller else None,
    )


def _reference(owner: OwnerReference) -> OwnerReference:
    return OwnerReference(
        kind=owner.kind,
        name=owner.name,
        uid=owner.uid,
        api_version=owner.api_version,
        controller=True,
    )


def _read_annotations(annotations: dict[str, str] | None) -> dict[str, str] | None:
    if not annotations:
        return None
    kept = {
        key: value
        for key, value in annotations.items()
        if key == HELM_RELEASE or any(word in key for word in _MECHANISMS)
    }
    return kept or None
