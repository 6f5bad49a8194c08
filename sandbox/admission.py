"""What the engine's webhooks say to a request: warnings, a denial, or silence because the engine is off."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import yaml

from policies.cluster.errors import ClusterError
from policies.domain.engines import Component
from policies.domain.posture import Posture
from sandbox import policy as engine
from sandbox.engine import is_called, passes_over
from sandbox.exceptions import PolicyException, counting, exempting
from sandbox.faults import Fault, is_set
from sandbox.judging import failed, posture_of
from sandbox.kinds import ENGINE_POLICIES
from sandbox.policy import Policy, Rule
from sandbox.refused import refused
from sandbox.requests import Request
from sandbox.store import Store

ENGINE_VIEW = "engineView"


@dataclass(frozen=True, slots=True)
class Failure:
    policy: Policy
    rule: str
    message: str
    enforced: bool


def policies(store: Store) -> tuple[Policy, ...]:
    """The policies that the engine has seen: while it is off, those from before."""
    view = store.setting(ENGINE_VIEW, "")
    return tuple(map(_read, json.loads(view))) if view else stored_policies(store)


def stored_policies(store: Store) -> tuple[Policy, ...]:
    return tuple(map(_read, _stored(store)))


@lru_cache(maxsize=1024)
def _read(text: str) -> Policy:
    return engine.read(json.loads(text))


def freeze_view(store: Store) -> None:
    """Keep what the webhooks look like while nobody looks after them."""
    store.set_setting(ENGINE_VIEW, json.dumps(_stored(store)))


def thaw_view(store: Store) -> None:
    store.set_setting(ENGINE_VIEW, "")


def _stored(store: Store) -> list[str]:
    return [
        text for resource in ENGINE_POLICIES for text in store.texts(resource.group, resource.kind)
    ]


def review(store: Store, request: Request, denied: list[Failure]) -> tuple[str, ...]:
    """Ask every webhook that this request concerns; return their warnings. What a denial rests on goes to `denied`.

    Raises:
        EngineDown, RejectedByAdmission
    """
    if not is_called(store, request.namespace):
        return ()
    called: dict[str, list[Policy]] = {}
    for policy in policies(store):
        if _calls(policy, request):
            called.setdefault(policy.webhook, []).append(policy)
    if is_set(store, Fault.ENGINE_DOWN):
        _meet_silence(called)
        return ()
    if not called or passes_over(store, request):
        return ()
    exceptions = counting(store, Component.ADMISSION)
    failures = {
        webhook: [
            failure for policy in group for failure in failures_of(policy, request, exceptions)
        ]
        for webhook, group in called.items()
    }
    for webhook, found in failures.items():
        denied += [failure for failure in found if failure.enforced]
        _deny(webhook, found, request)
    return tuple(
        _warning(failure)
        for found in failures.values()
        for failure in found
        if failure.policy.warns
    )


def _calls(policy: Policy, request: Request) -> bool:
    """Say whether the API server sends this request to this policy's webhook."""
    if policy.subresource:
        fits = request.subresource == policy.subresource
    elif request.subresource:
        fits = policy.is_cluster_policy
    else:
        fits = request.kind == "Pod" or request.kind in policy.controllers
    if not fits or not any(request.operation in rule.operations for rule in policy.rules):
        return False
    if request.namespace not in policy.webhook_scope:
        return False
    return not policy.webhook_changed_only or request.changes(policy.spec)


def failures_of(
    policy: Policy, request: Request, exceptions: tuple[PolicyException, ...] = ()
) -> Iterator[Failure]:
    """Evaluate a policy's rules at admission, but for those from which an exception exempts."""
    rules = [rule for rule in policy.rules if _judges(rule, request)]
    if not rules:
        return
    posture = posture_of(policy.spec, request.manifest)
    for rule in rules:
        message = first_failure(rule, posture)
        name = rule_name(policy, rule, request.kind)
        if message is not None and not exempting(
            exceptions, policy.kind, policy.name, name, request.manifest
        ):
            yield Failure(policy, name, message, rule.enforces)


def _judges(rule: Rule, request: Request) -> bool:
    if request.operation not in rule.operations:
        return False
    if request.namespace not in rule.scope:
        return False
    return not rule.changed_only or request.changes(rule.spec)


def first_failure(rule: Rule, posture: Posture) -> str | None:
    """Evaluate a rule's checks in order; give the message of the first that fails."""
    return next((message for _, message in failed(rule.checks, posture)), None)


def rule_name(policy: Policy, rule: Rule, kind: str) -> str:
    """The name under which this rule judges a kind; derived rules have a prefix, cut at 63 characters."""
    if not policy.is_cluster_policy or kind == "Pod":
        return rule.name
    prefix = "autogen-cronjob-" if kind == "CronJob" else "autogen-"
    return (prefix + rule.name)[:63]


def _meet_silence(called: dict[str, list[Policy]]) -> None:
    for webhook, group in called.items():
        if group[0].fails_closed:
            raise silence(webhook, _path(group[0], group))


def silence(webhook: str, path: str) -> ClusterError:
    """The error of a webhook that must answer and does not."""
    text = (
        f'Internal error occurred: failed calling webhook "{webhook}": failed to call webhook: '
        f'Post "https://kyverno-svc.kyverno.svc:443/{path}": '
        'no endpoints available for service "kyverno-svc"'
    )
    return refused(500, text)


def _path(policy: Policy, group: list[Policy]) -> str:
    if not policy.is_cluster_policy:
        named = "/".join(member.name for member in group)
        return f"vpol/{named}?timeout={policy.timeout_seconds}s"
    mode = "fail" if policy.fails_closed else "ignore"
    own = f"/finegrained/{policy.name}" if "-finegrained-" in policy.webhook else ""
    return f"validate/{mode}{own}?timeout={policy.timeout_seconds}s"


def _deny(webhook: str, failures: list[Failure], request: Request) -> None:
    if not any(failure.enforced for failure in failures):
        return
    if failures[0].policy.is_cluster_policy:
        said = _blocked(failures, request)
    else:
        said = "; ".join(_sentence(failure) for failure in failures if failure.enforced)
    raise refused(400, f'admission webhook "{webhook}" denied the request: {said}')


def _blocked(failures: list[Failure], request: Request) -> str:
    by_policy: dict[str, dict[str, str]] = {}
    for failure in failures:
        by_policy.setdefault(failure.policy.name, {})[failure.rule] = failure.message
    listed = yaml.safe_dump(by_policy, width=1_000_000, default_flow_style=False)
    return f"\n\nresource {request.resource} was blocked due to the following policies \n\n{listed}"


def _warning(failure: Failure) -> str:
    if failure.policy.is_cluster_policy:
        return f"policy {failure.policy.name}.{failure.rule}: {failure.message}"
    return _sentence(failure)


def _sentence(failure: Failure) -> str:
    return f"Policy {failure.policy.name} failed: {failure.message}"
