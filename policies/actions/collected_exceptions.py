"""Exceptions: those that lie on a cluster, the settings that decide whether they count, and which ones are needed still."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
from django.utils import timezone

from policies.actions.collected_policies import read_newest
from policies.actions.collected_workloads import Engines
from policies.actions.collection_work import CollectionWork
from policies.actions.specs import exception_resource
from policies.actions.storing import Fields, Key, replace_rows
from policies.cluster.gateway import KYVERNO_EXCEPTIONS, Manifest, Resource
from policies.domain.engines import DECIDING_FLAGS
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    ExceptionKind,
    ObservedExceptionRecord,
    read_exception,
)
from policies.models import ExceptionNeed, ObservedController, ObservedException
from policies.queries.exempted import needed_exemptions

Read = list[tuple[ObservedExceptionRecord, Manifest]]

READ_VERSIONS = {
    **EXCEPTION_VERSIONS,
    # What is older than anything that secprof writes may still be there to be found.
    ExceptionKind.KYVERNO: (
        *EXCEPTION_VERSIONS[ExceptionKind.KYVERNO],
        f"{KYVERNO_EXCEPTIONS.group}/v2beta1",
        f"{KYVERNO_EXCEPTIONS.group}/v2alpha1",
    ),
}
_VERSION_LENGTH = 40


def read_exceptions(work: CollectionWork) -> dict[Resource, Read | None]:
    """Read both kinds in the newest version that is served; None where the last page was not reached."""
    found: dict[Resource, Read | None] = {}
    for group, versions in READ_VERSIONS.items():
        resources = [exception_resource(group, version) for version in versions]
        resource, records = read_newest(work, resources, partial(read_exception_kind, work))
        found[resource] = records
    return found


def read_exception_kind(work: CollectionWork, resource: Resource) -> Read | None:
    """Read the exceptions of one kind in one version; None when the last page was not reached."""

    def decode(item: bytes) -> tuple[ObservedExceptionRecord, Manifest]:
        manifest: Manifest = msgspec.json.decode(item, type=dict[str, Any])
        manifest.setdefault("kind", resource.kind)
        manifest.setdefault("apiVersion", resource.api_version)
        return read_exception(manifest), manifest

    return work.read_kind(resource, decode)


def store_exceptions(work: CollectionWork, read: dict[Resource, Read | None]) -> None:
    """Replace the exceptions of each kind that was read to its end."""
    for resource, records in read.items():
        if records is None:
            continue
        rows: dict[Key, Fields] = {
            (record.namespace, record.name): exception_fields(record, manifest)
            for record, manifest in records
        }
        _keep_times(work, resource, rows)
        work.hold(timezone.now())
        replace_rows(
            ObservedException,
            scope={**work.scope, "group": resource.group},
            key=("namespace", "name"),
            compared=("uid", "resource_version", "digest"),
            rows=rows,
        )
        work.mark(resource)


def exception_fields(record: ObservedExceptionRecord, manifest: Manifest) -> Fields:
    """Make the columns of an ObservedException, but for its key."""
    return {
        "uid": record.uid,
        "resource_version": record.resource_version,
        "digest": record.digest,
        "policies": list(record.policies),
        "rules": list(record.rules),
        "has_conditions": record.has_conditions,
        "reaches": None if record.reaches is None else list(record.reaches),
        "expires_at": record.expires_at,
        "exception_key": record.exception_key,
        "variant_name": record.variant,
        "changed_at": timezone.now(),
        "manifest": manifest,
    }


def _keep_times(work: CollectionWork, resource: Resource, rows: dict[Key, Fields]) -> None:
    known = ObservedException.objects.filter(cluster=work.cluster, group=resource.group)
    for namespace, name, digest, changed_at in known.values_list(
        "namespace", "name", "digest", "changed_at"
    ):
        fields = rows.get((namespace, name))
        if fields is not None and fields["digest"] == digest:
            fields["changed_at"] = changed_at


def store_controllers(work: CollectionWork, engines: Engines) -> None:
    """Replace the settings of Kyverno's controllers, in the namespaces where it was found."""
    homes = {engine.namespace for engine in engines.found}
    rows: dict[Key, Fields] = {
        (each.namespace, each.name): {
            "component": each.component.value,
            "version": ".".join(map(str, each.version))[:_VERSION_LENGTH] if each.version else "",
            "flags": _deciding(each.flags),
            "replicas": each.replicas,
            "ready": each.ready,
        }
        for each in engines.controllers
        if each.namespace in homes
    }
    replace_rows(
        ObservedController,
        scope=work.scope,
        key=("namespace", "name"),
        compared=("component", "version", "flags", "replicas", "ready"),
        rows=rows,
    )


def _deciding(flags: Any) -> dict[str, str] | None:
    """Keep the flags that are needed: other ones may hold what is nobody's business."""
    if flags is None:
        return None
    return {name: flags[name] for name in DECIDING_FLAGS if name in flags}


def note_needs(work: CollectionWork) -> None:
    """Note of each exemption in force which of its workloads would fail without it, by what was just stored."""
    at = work.run.started_at
    needs: Iterable[tuple[str, str, str]] = needed_exemptions(work.cluster.pk)
    rows = [
        ExceptionNeed(
            cluster=work.cluster, exception_key=key, kind=kind, name=name, last_needed_at=at
        )
        for key, kind, name in needs
    ]
    ExceptionNeed.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["cluster", "exception_key", "kind", "name"],
        update_fields=["last_needed_at"],
    )
