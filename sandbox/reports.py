"""The reports controller of the sandbox: one PolicyReport a resource, with the time when it was judged.

A report is made again when its resource or a policy has changed, or when it is older than the interval.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from policies.cluster.gateway import WORKLOADS
from policies.domain.engines import Component
from policies.domain.posture import Posture
from sandbox.admission import rule_name, stored_policies
from sandbox.exceptions import PolicyException, counting, exempting
from sandbox.faults import Fault, is_set
from sandbox.judging import failed, posture_of
from sandbox.policy import Policy, Rule
from sandbox.store import Key, Manifest, Store

INTERVAL_SECONDS = 3600.0
"""Kyverno's default `--backgroundScanInterval`."""
SOURCES = {"ClusterPolicy": "kyverno", "ValidatingPolicy": "KyvernoValidatingPolicy"}
SEVERITIES = frozenset({"critical", "high", "medium", "low", "info"})
GROUP = "wgpolicyk8s.io"
LAST_VERSION = "reportedVersion"
LAST_AT = "reportedAt"


def bring_up_to_date(store: Store, now: datetime) -> None:
    """Make the reports that are due, unless the controller is frozen. Cheap when nothing has changed."""
    if is_set(store, Fault.REPORTS_FROZEN):
        return
    last_at = float(store.setting(LAST_AT, "0"))
    moved = store.setting(LAST_VERSION, "") != str(store.version())
    if moved or now.timestamp() - last_at >= INTERVAL_SECONDS:
        report(store, now, everything=False)


def report(store: Store, now: datetime, *, everything: bool) -> int:
    """Judge what is due, or everything; return how many reports were made."""
    with store.transaction():
        known = store.judged()
        # The reports controller is a program of its own: it goes on while the engine is off.
        background = tuple(policy for policy in stored_policies(store) if policy.background)
        exceptions = counting(store, Component.REPORTS)
        made: list[tuple[str, str, float]] = []
        seen: set[str] = set()
        for manifest in _resources(store):
            uid = manifest["metadata"]["uid"]
            seen.add(uid)
            fingerprint = _fingerprint(manifest, background, exceptions)
            old_fingerprint, at = known.get(uid, ("", 0.0))
            fresh = now.timestamp() - at < INTERVAL_SECONDS
            if not everything and fingerprint == old_fingerprint and fresh:
                continue
            _write(store, manifest, tuple(_results(background, exceptions, manifest, now)))
            made.append((uid, fingerprint, now.timestamp()))
        _remove_gone(store, set(known) - seen)
        store.set_judged(made)
        store.set_setting(LAST_VERSION, str(store.version()))
        store.set_setting(LAST_AT, str(now.timestamp()))
    return len(made)


def _resources(store: Store) -> Iterator[Manifest]:
    for resource in WORKLOADS:
        yield from store.objects(resource.group, resource.kind)


def _fingerprint(
    manifest: Manifest, background: tuple[Policy, ...], exceptions: tuple[PolicyException, ...]
) -> str:
    """What a report rests on: the resource without what Kyverno leaves out of its hash, policies and exceptions."""
    kept = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    metadata = manifest["metadata"]
    judged = [metadata.get("labels"), metadata.get("annotations"), kept]
    versions = [[policy.kind, policy.name, policy.version] for policy in background]
    versions += [[each.kind, each.key, each.version] for each in exceptions]
    return hashlib.sha256(json.dumps([judged, versions], sort_keys=True).encode()).hexdigest()


def _results(
    background: tuple[Policy, ...],
    exceptions: tuple[PolicyException, ...],
    manifest: Manifest,
    now: datetime,
) -> Iterator[Manifest]:
    kind = manifest["kind"]
    namespace = manifest["metadata"]["namespace"]
    for policy in background:
        if policy.subresource or not (kind == "Pod" or kind in policy.controllers):
            continue
        posture = posture_of(policy.spec, manifest)
        for rule in policy.rules:
            # The controller judges everything as if it were created now.
            if namespace in rule.scope and "CREATE" in rule.operations:
                name = rule_name(policy, rule, kind)
                exempted = exempting(exceptions, policy.kind, policy.name, name, manifest)
                if exempted:
                    yield _skip(policy, name, exempted, now)
                else:
                    yield _result(policy, rule, name, posture, now)


def _skip(
    policy: Policy, name: str, exempted: tuple[PolicyException, ...], now: datetime
) -> Manifest:
    keys = ", ".join(each.key for each in exempted)
    # Between the word and the names of a ClusterPolicy's exceptions Kyverno puts nothing.
    lead = "exceptions" if policy.is_cluster_policy else "exception: "
    properties = {"exceptions": ",".join(each.name for each in exempted)}
    said = ("skip", f"rule is skipped due to policy {lead}{keys}")
    return _entry(policy, name or "exception", said, properties, now)


def _result(policy: Policy, rule: Rule, name: str, posture: Posture, now: datetime) -> Manifest:
    failure = next(failed(rule.checks, posture), None)
    properties: dict[str, str] = {}
    if failure is None:
        return _entry(policy, name, ("pass", _pass_message(policy, name)), properties, now)
    if not policy.is_cluster_policy:
        properties["cel.validationIndex"] = str(rule.checks.index(failure[0]))
    return _entry(policy, name, ("fail", failure[1]), properties, now)


def _entry(
    policy: Policy, name: str, said: tuple[str, str], properties: dict[str, str], now: datetime
) -> Manifest:
    outcome, message = said
    scored = policy.annotations.get("policies.kyverno.io/scored") != "false"
    result: Manifest = {
        "source": SOURCES[policy.kind],
        "policy": policy.name,
        "result": "warn" if outcome == "fail" and not scored else outcome,
        "message": message,
        "timestamp": {"seconds": int(now.timestamp()), "nanos": 0},
        "properties": {"process": "background scan", **properties},
    }
    if scored:  # Kyverno leaves out what is false
        result["scored"] = True
    if name:
        result["rule"] = name
    if category := policy.annotations.get("policies.kyverno.io/category"):
        result["category"] = category
    severity = policy.annotations.get("policies.kyverno.io/severity")
    if severity in SEVERITIES:
        result["severity"] = severity
    return result


def _pass_message(policy: Policy, rule: str) -> str:
    return f"Validation rule '{rule}' passed." if policy.is_cluster_policy else "success"


def _write(store: Store, manifest: Manifest, results: tuple[Manifest, ...]) -> None:
    metadata = manifest["metadata"]
    key = Key(GROUP, "PolicyReport", metadata["namespace"], metadata["uid"])
    old = store.find(key)
    if not results:
        if old is not None:
            store.next_version()
            store.remove(key)
        return
    scope = {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "name": metadata["name"],
    }
    version = str(store.next_version())
    store.put(
        {
            "apiVersion": f"{GROUP}/v1alpha2",
            "kind": "PolicyReport",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": old["metadata"]["uid"] if old else store.new_uid(key),
                "resourceVersion": version,
                "generation": old["metadata"]["generation"] + 1 if old else 1,
                "creationTimestamp": old["metadata"]["creationTimestamp"]
                if old
                else _timestamp(results),
                "labels": {"app.kubernetes.io/managed-by": "kyverno"},
                "ownerReferences": [{**scope, "uid": metadata["uid"]}],
            },
            "scope": {**scope, "namespace": key.namespace, "uid": metadata["uid"]},
            "results": sorted(results, key=lambda r: (r["policy"], r.get("rule", ""), r["source"])),
            "summary": _summary(results),
        }
    )


def _timestamp(results: tuple[Manifest, ...]) -> str:
    at = datetime.fromtimestamp(results[0]["timestamp"]["seconds"], tz=UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(results: tuple[Manifest, ...]) -> dict[str, int]:
    words = [result["result"] for result in results]
    return {word: words.count(word) for word in ("pass", "fail", "warn", "error", "skip")}


def _remove_gone(store: Store, uids: set[str]) -> None:
    """Remove the reports of resources that are gone; deleting a resource leaves them to this."""
    if not uids:
        return
    for manifest in store.objects(GROUP, "PolicyReport"):
        metadata = manifest["metadata"]
        if metadata["name"] in uids:
            store.remove(Key(GROUP, "PolicyReport", metadata["namespace"], metadata["name"]))
    store.forget_judged(uids)
