"""Ask whether the API server and the policy engine answer, and note it on the cluster.

The engine is asked with a dry-run of a known-bad pod: if our own policy says something about it, the engine lives.
That writes nothing. A Ready condition on a policy would prove nothing (kyverno-facts 9.12).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.cluster.errors import (
    ClusterError,
    Conflict,
    EngineDown,
    Forbidden,
    Invalid,
    NotFound,
    RejectedByAdmission,
)
from policies.cluster.gateway import Gateway
from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.library import Target, probe_pods
from policies.models import Cluster, ObservedPolicy, Variant
from policies.queries.probed import probed_namespaces
from policies.queries.specs import OBJECT_KINDS, current_revisions, written_spec

ASKED_NAMESPACES = 3
"""Namespaces that are tried before the engine counts as silent about ours: quotas and other webhooks may answer first."""

NO_ANSWER_HERE = (NotFound, Forbidden, Invalid, Conflict)
"""What says something about one namespace or pod only, such as a namespace that is gone by now."""
VERSION_LENGTH = 40


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """Whether the engine answers, in one sentence."""

    state: str
    message: str


def ask_pod(
    gateway: Gateway, namespace: str, pod: Mapping[str, Any], policies: Iterable[str]
) -> PodAnswer:
    """Send one pod as a dry-run and read the answer for these policies.

    Raises ClusterError when there is no answer about the pod at all.
    """
    names = tuple(policies)
    try:
        answer = gateway.dry_run_pod(namespace, pod)
    except RejectedByAdmission as error:
        return read_answer(
            policies=names, warnings=(), rejected_by=error.webhook or "admission", raw=error.raw
        )
    except EngineDown as error:
        return read_answer(
            policies=names,
            warnings=(),
            rejected_by=error.webhook,
            raw=error.message,
            engine_down=True,
        )
    return read_answer(policies=names, warnings=answer.warnings)


def ask_pod_if_possible(
    gateway: Gateway, namespace: str, pod: Mapping[str, Any], policies: Iterable[str]
) -> PodAnswer:
    """Like `ask_pod`, where another namespace may be asked instead: what holds for this one alone is not raised."""
    try:
        return ask_pod(gateway, namespace, pod, policies)
    except NO_ANSWER_HERE as error:
        return PodAnswer(AnswerOutcome.REFUSED_BY_OTHER, message=error.message)


def ask_engine(gateway: Gateway, cluster: Cluster) -> EngineAnswer:
    """Ask Kyverno about a bad pod under one of our installed policies. Raises ClusterError."""
    ours = (
        ObservedPolicy.objects.filter(cluster=cluster)
        .exclude(variant_name="")
        .exclude(kind__in=OBJECT_KINDS[Target.NATIVE])
    )
    installed = set(ours.filter(role="audit").values_list("variant_name", flat=True))
    variants = Variant.objects.filter(cluster=cluster, name__in=installed).exclude(
        target=Target.NATIVE
    )
    variant = variants.order_by("name").first()
    if variant is None:
        return EngineAnswer(
            Cluster.EngineState.UNKNOWN,
            "No policy of secprof is installed yet, so the engine was not asked.",
        )
    return _ask_about(gateway, variant, tuple(ours.values_list("name", flat=True)))


def ask_judging(gateway: Gateway, variant: Variant) -> EngineAnswer:
    """Ask what judges by this variant: Kyverno, or for a native policy the API server. Raises ClusterError."""
    if variant.target != Target.NATIVE:
        return ask_engine(gateway, variant.cluster)
    ours = ObservedPolicy.objects.filter(
        cluster_id=variant.cluster_id,
        kind__in=OBJECT_KINDS[variant.target],
        variant_name=variant.name,
    )
    return _ask_about(gateway, variant, tuple(ours.values_list("name", flat=True)))


def _ask_about(gateway: Gateway, variant: Variant, policies: tuple[str, ...]) -> EngineAnswer:
    """Ask with a pod that fails what is installed of this variant, until one of these policies says something."""
    spec = written_spec(variant, current_revisions([variant]).get(variant.pk))
    bad = probe_pods(spec).bad
    namespaces = probed_namespaces(variant).exclude(name__in=spec.parameters.excluded_namespaces)
    answers = []
    for namespace in namespaces.values_list("name", flat=True)[:ASKED_NAMESPACES]:
        answers.append(ask_pod_if_possible(gateway, namespace, bad, policies))
        if answers[-1].outcome in {AnswerOutcome.WARNED, AnswerOutcome.REFUSED}:
            return EngineAnswer(Cluster.EngineState.UP, "")
    return _silence(answers, variant)


def _silence(answers: list[PodAnswer], variant: Variant) -> EngineAnswer:
    down = next((a for a in answers if a.outcome is AnswerOutcome.ENGINE_DOWN), None)
    if down is not None:
        return EngineAnswer(Cluster.EngineState.DOWN, down.message)
    if any(a.outcome is AnswerOutcome.ADMITTED for a in answers):
        judge = (
            "the API server does not judge" if variant.target == Target.NATIVE else "nothing judges"
        )
        return EngineAnswer(
            Cluster.EngineState.DOWN,
            f"Engine down: {variant.name} let a bad pod pass without a warning, so {judge} pods.",
        )
    said = answers[0].message if answers else "There is no namespace to ask in."
    return EngineAnswer(Cluster.EngineState.UNKNOWN, f"The engine could not be asked: {said}")


def note_contact(cluster: Cluster, *, version: str, now: datetime) -> None:
    """Note that the API server answered."""
    cluster.contact_state = "ok"
    cluster.contact_message = ""
    cluster.contacted_at = now
    cluster.kubernetes_version = version[:VERSION_LENGTH]
    cluster.save(
        update_fields=["contact_state", "contact_message", "contacted_at", "kubernetes_version"]
    )


def note_contact_failure(cluster: Cluster, error: ClusterError, *, now: datetime) -> None:
    """Note why the API server could not be asked; what it said before stays, and grows old."""
    cluster.contact_state = error.reason
    cluster.contact_message = error.message
    cluster.contacted_at = now
    cluster.engine_state = Cluster.EngineState.UNKNOWN
    cluster.engine_message = "The API server could not be asked."
    cluster.save(
        update_fields=[
            "contact_state",
            "contact_message",
            "contacted_at",
            "engine_state",
            "engine_message",
        ]
    )


def note_engine(gateway: Gateway, cluster: Cluster, *, now: datetime) -> EngineAnswer:
    """Ask the engine and note its answer; an answer that cannot be had is noted as unknown."""
    try:
        answer = ask_engine(gateway, cluster)
    except ClusterError as error:
        answer = EngineAnswer(
            Cluster.EngineState.UNKNOWN, f"The engine could not be asked: {error.message}"
        )
    cluster.engine_state = answer.state
    cluster.engine_message = answer.message
    cluster.engine_checked_at = now
    cluster.save(update_fields=["engine_state", "engine_message", "engine_checked_at"])
    return answer
