"""The single place through which secprof writes to a cluster. It carries out decisions and makes none."""

import logging

from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    EXCEPTION_KINDS,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    VALIDATING_POLICIES,
    Answer,
    Gateway,
    Verb,
    Write,
)

logger = logging.getLogger(__name__)

_KNOWN = {
    (resource.group, resource.plural): resource
    for resource in (
        CLUSTER_POLICIES,
        VALIDATING_POLICIES,
        NATIVE_POLICIES,
        NATIVE_BINDINGS,
        *EXCEPTION_KINDS,
    )
}
WRITABLE = frozenset(_KNOWN)
"""Group and plural of what secprof may write, in whichever version the cluster serves."""


class RefusedWrite(Exception):
    """A write that must not reach any cluster: a defect of the caller, whatever the cluster would say."""


class UndecidedWrite(RefusedWrite):
    """A write that no decision stands behind."""


def write(gateway: Gateway, change: Write, *, decision: str, dry_run: bool) -> Answer:
    """Carry out one change, or only try it out, in the name of a recorded decision.

    Raises:
        UndecidedWrite: `decision` is empty.
        RefusedWrite: neither a policy nor an exception, not in its place, or not guarded against what moved meanwhile.
        ClusterError: what the cluster said to it.
    """
    if not decision.strip():
        raise UndecidedWrite(f"No decision stands behind this {change.verb} of {change.name}.")
    _check(change)
    logger.log(
        logging.DEBUG if dry_run else logging.INFO,
        "cluster.write",
        extra={
            "decision": decision,
            "verb": change.verb.value,
            "kind": change.resource.kind,
            "object_name": change.name,
            "namespace": change.namespace,
            "dry_run": dry_run,
        },
    )
    return gateway.write(change, dry_run=dry_run)


def _check(change: Write) -> None:
    resource, manifest = change.resource, change.manifest
    known = _KNOWN.get((resource.group, resource.plural))
    if known is None:
        raise RefusedWrite(f"secprof does not write objects of the kind {resource.kind}.")
    if known.namespaced != bool(change.namespace):
        place = "in a namespace" if known.namespaced else "in no namespace"
        raise RefusedWrite(
            f"The {known.kind} {change.name} lies {place}; this {change.verb} differs."
        )
    if change.verb is not Verb.CREATE and not (change.uid and change.resource_version):
        raise RefusedWrite(f"The {change.verb} of {change.name} names no version that was read.")
    if change.verb is Verb.DELETE:
        return
    if manifest is None:
        raise RefusedWrite(f"The {change.verb} of {change.name} has no manifest.")
    addressed = (resource.api_version, resource.kind, change.name, change.namespace)
    metadata = manifest.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace", "")
    if (manifest.get("apiVersion"), manifest.get("kind"), name, namespace) != addressed:
        raise RefusedWrite(f"The manifest of this {change.verb} is not of {change.name}.")
