"""Events of a sandbox cluster: what its engine and its controllers say when an object is refused. They last an hour."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from policies.cluster.errors import ClusterError, EngineDown, RejectedByAdmission
from policies.cluster.gateway import EVENTS
from sandbox.admission import Failure
from sandbox.refused import refused
from sandbox.requests import Request
from sandbox.store import Key, Manifest, Store, key_of

LASTS = timedelta(hours=1)
"""The API server's default."""
POLICY_EVENTS_LIE_IN = "default"
NOTE_LENGTH = 1024
SELECTABLE = frozenset({"reason", "type", "metadata.name", "metadata.namespace"}) | {
    f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion")
}
"""The fields by which the API server selects events; any other kind is selected by the two of `metadata` alone."""


def select(kind: str, fields: str, manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Keep what fits a field selector of equalities. Raises Invalid for a field that this kind has not."""
    asked = [part.split("=", 1) for part in fields.split(",") if part]
    for name, _ in asked:
        if kind == EVENTS.kind and name not in SELECTABLE:
            raise refused(400, f"field label not supported: {name}")
        if kind != EVENTS.kind and not name.startswith("metadata."):
            known = '"metadata.name", "metadata.namespace"'
            raise refused(400, f'"{name}" is not a known field selector: only {known}')
    return tuple(m for m in manifests if all(_at(m, name) == value for name, value in asked))


def failed_create(store: Store, owner: Manifest, error: ClusterError, now: datetime) -> None:
    """Note, as the controller of this object does, that it could not create what the object asks for."""
    lead = {
        "CronJob": "Error creating job",
        "StatefulSet": f"create Pod {owner['metadata']['name']}-0 in StatefulSet {owner['metadata']['name']} failed error",
    }.get(owner["kind"], "Error creating")
    metadata = owner["metadata"]
    _note(
        store,
        now,
        reason="FailedCreate",
        message=f"{lead}: {_text(error)}",
        regarding={
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        namespace=metadata["namespace"],
        component=f"{owner['kind'].lower()}-controller",
    )


def blocked(store: Store, request: Request, failures: Iterable[Failure], now: datetime) -> None:
    """Note, as Kyverno does, which policies refused a request; on the policies, and for dry-runs too."""
    for failure in failures:
        rule = f"[{failure.rule}] " if failure.policy.is_cluster_policy else ""
        resource = f"{request.kind} {request.namespace}/{request.name}"
        _note(
            store,
            now,
            reason="PolicyViolation",
            message=f"{resource}: {rule}fail (blocked); {failure.message}"[:NOTE_LENGTH],
            regarding={"kind": failure.policy.kind, "name": failure.policy.name},
            related={
                "kind": request.kind,
                "namespace": request.namespace,
                "name": request.name,
            },
            namespace=POLICY_EVENTS_LIE_IN,
            component="kyverno-admission",
            action="Resource Blocked",
        )


def forget_expired(store: Store, now: datetime) -> None:
    """Delete the events that have outlived their hour."""
    with store.transaction():
        for event in store.objects(EVENTS.group, EVENTS.kind):
            if datetime.fromisoformat(event["lastTimestamp"]) + LASTS < now:
                store.remove(key_of(event))


def _note(
    store: Store,
    now: datetime,
    *,
    reason: str,
    message: str,
    regarding: dict[str, Any],
    namespace: str,
    component: str,
    **more: Any,
) -> None:
    """Count an event once more, or begin it."""
    said = "/".join((reason, message, *map(str, regarding.values())))
    name = f"{regarding['name']}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    key = Key(EVENTS.group, EVENTS.kind, namespace, name)
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.transaction():
        event = store.find(key) or {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": store.new_uid(key)},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "involvedObject": regarding,
            "reportingComponent": component,
            "firstTimestamp": at,
            "count": 0,
            **more,
        }
        event["count"] += 1
        event["lastTimestamp"] = at
        event["metadata"]["resourceVersion"] = str(store.version())
        store.put(event)


def _text(error: ClusterError) -> str:
    if isinstance(error, RejectedByAdmission):
        return error.raw
    if isinstance(error, EngineDown):
        return f'Internal error occurred: failed calling webhook "{error.webhook}": failed to call webhook'
    return error.message


def _at(manifest: Manifest, path: str) -> str:
    found: Any = manifest
    for key in path.split("."):
        found = found.get(key, "") if isinstance(found, dict) else ""
    return str(found)
