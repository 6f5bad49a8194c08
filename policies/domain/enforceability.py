"""In which namespaces enforcement has no effect, and why: what Kyverno's own settings leave out, whatever policies say.

Reports tell of such namespaces all the same (kyverno-facts 5.31), so that only this shows that nothing is refused there.
What is not known of the settings is no reason: the proof of a flip decides then.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.domain.engine_settings import Condition, EngineConfig, EngineSettings, Webhook
from policies.domain.selectors import Selector
from policies.domain.wildcards import matches


class Barrier(StrEnum):
    """What keeps Kyverno from judging a namespace."""

    ENGINE = "engine-namespace"
    SYSTEM = "system-namespace"
    FILTER = "resource-filter"
    SELECTOR = "namespace-selector"
    WEBHOOKS = "webhook-selectors"
    CONDITION = "match-condition"
    REQUESTERS = "excluded-requesters"
    NO_WEBHOOK = "no-webhook"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why enforcement has no effect in a namespace. It names no other namespace."""

    barrier: Barrier
    sentence: str

    def to_json(self) -> dict[str, str]:
        return {"barrier": self.barrier.value, "sentence": self.sentence}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Obstacle":
        return cls(Barrier(stored["barrier"]), stored["sentence"])


def obstacles(
    namespace: str,
    labels: Mapping[str, str],
    settings: EngineSettings,
    own: Iterable[str] = (),
) -> tuple[Obstacle, ...]:
    """Name everything that keeps Kyverno from judging pods in a namespace; `own` are the names of our policies."""
    found: list[Obstacle] = []
    if namespace in settings.namespaces:
        found.append(Obstacle(Barrier.ENGINE, "Kyverno itself runs here."))
    if namespace.startswith("kube-"):
        found.append(Obstacle(Barrier.SYSTEM, "This namespace is Kubernetes' own."))
    if settings.config is not None:
        found += _by_config(namespace, labels, settings.config)
    found += _by_webhooks(labels, settings, frozenset(own), found)
    return tuple(found)


def sentence_of(found: Iterable[Obstacle]) -> str:
    """Join the reasons into what a gate says."""
    return " ".join((*(each.sentence for each in found), "Enforcing here has no effect."))


def _by_config(
    namespace: str, labels: Mapping[str, str], config: EngineConfig
) -> Iterator[Obstacle]:
    for each in config.filters:
        if each.covers_all_pods(namespace):
            yield Obstacle(
                Barrier.FILTER,
                f"The entry {each.text} of Kyverno's resourceFilters passes over it.",
            )
            break
    if not config.namespace_selector.matches(labels):
        keys = _failing_keys(config.namespace_selector, labels)
        yield Obstacle(
            Barrier.SELECTOR,
            f"The namespaceSelector in Kyverno's ConfigMap leaves it out, by its label {keys}.",
        )
    for condition in config.conditions:
        if lets_through(condition, namespace) is False:
            yield Obstacle(
                Barrier.CONDITION, "A condition of webhooks in Kyverno's ConfigMap leaves it out."
            )
    if pattern := excludes_controllers(config):
        yield Obstacle(
            Barrier.REQUESTERS,
            f"Kyverno's ConfigMap excludes {pattern}, and so whatever controllers create: pods of "
            "Deployments, Jobs and all others.",
        )


def _by_webhooks(
    labels: Mapping[str, str],
    settings: EngineSettings,
    own: frozenset[str],
    found: list[Obstacle],
) -> Iterator[Obstacle]:
    if settings.webhooks is None:
        return
    if settings.expects_pods and not settings.pod_webhooks:
        yield Obstacle(
            Barrier.NO_WEBHOOK, "No webhook asks Kyverno about pods, though policies are ready."
        )
    # Others may have narrowed webhooks of their own; these two kinds are as wide as the ConfigMap lets them be.
    wide = [each for each in settings.pod_webhooks if each.is_shared or own & set(each.policies)]
    is_said = any(each.barrier is Barrier.SELECTOR for each in found)
    if wide and not is_said and all(each.reaches(labels) is False for each in wide):
        yield Obstacle(
            Barrier.WEBHOOKS,
            f"The namespaceSelector of Kyverno's webhooks leaves it out, by its label "
            f"{_keys_of(wide, labels)}.",
        )


def _keys_of(webhooks: Iterable[Webhook], labels: Mapping[str, str]) -> str:
    first = next(iter(webhooks)).namespace_selector
    return _failing_keys(first, labels) if first else ""


def _failing_keys(selector: Selector, labels: Mapping[str, str]) -> str:
    """Name the labels that decide; their values in the selector may be names of other namespaces."""
    failing = (each.key for each in selector.requirements if not each.holds(labels))
    return " and ".join(dict.fromkeys(failing))


# Who creates pods

_CONTROLLER_GROUPS = (
    "system:serviceaccounts",
    "system:serviceaccounts:kube-system",
    "system:authenticated",
)
_CONTROLLERS = ("replicaset-controller", "job-controller", "statefulset-controller")
_REQUESTERS: dict[str, tuple[str, ...]] = {
    "group": _CONTROLLER_GROUPS,
    "username": tuple(f"system:serviceaccount:kube-system:{name}" for name in _CONTROLLERS),
    "cluster role": tuple(f"system:controller:{name}" for name in _CONTROLLERS),
    "role": (),
}


def excludes_controllers(config: EngineConfig) -> str:
    """Name the exclusion that lets pass what Kubernetes' controllers create; empty when there is none."""
    if any(_is_a_controller(kind, pattern) for kind, pattern in config.included):
        return ""
    for kind, pattern in config.excluded:
        if _is_a_controller(kind, pattern):
            return f"the {kind} {pattern}"
    return ""


def _is_a_controller(kind: str, pattern: str) -> bool:
    return any(matches(pattern, name) for name in _REQUESTERS[kind])


# Conditions that can be read

_ONE = re.compile(r"""request\.namespace(==|!=)(['"])([^'"]*)\2""")
_AMONG = re.compile(r"""request\.namespacein\[([^\]]*)\]""")
_NOT_AMONG = re.compile(r"""!\(request\.namespacein\[([^\]]*)\]\)""")
_QUOTED = re.compile(r"""(['"])([^'"]*)\1""")


def lets_through(condition: Condition, namespace: str) -> bool | None:
    """Say whether a condition lets requests in a namespace through; None when it asks about anything else."""
    text = "".join(condition.expression.split())
    if found := _ONE.fullmatch(text):
        return (namespace == found[3]) is (found[1] == "==")
    if found := _AMONG.fullmatch(text):
        return namespace in _names(found[1])
    if found := _NOT_AMONG.fullmatch(text):
        return namespace not in _names(found[1])
    return None


def _names(listed: str) -> frozenset[str]:
    return frozenset(name for _, name in _QUOTED.findall(listed))
