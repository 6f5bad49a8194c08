"""Validate one variant in one namespace on the cluster as it is now: read who fails, and try two pods as dry-runs.

Nothing is written to the cluster, and nothing is kept but a row of the trail.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.engine import ask_pod
from policies.actions.errors import Refused
from policies.cluster.errors import (
    ClusterError,
    TimedOut,
    TlsFailed,
    Unauthorized,
    Unreachable,
)
from policies.cluster.gateway import WORKLOADS, Gateway, Manifest
from policies.domain.answers import PodAnswer
from policies.domain.authority import Act, Actor, require
from policies.domain.failing import Failures, failures
from policies.domain.library import InvalidVariant, probe_pods
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.posture import assess
from policies.domain.readiness import GateOutcome
from policies.domain.validation import (
    NOBODY_IS_JUDGED,
    CheckId,
    Expected,
    Meaning,
    meaning_of_bad_pod,
    meaning_of_failures,
    meaning_of_good_pod,
)
from policies.models import ObservedNamespace, ObservedPolicy, Variant
from policies.queries.places import places_of
from policies.queries.specs import current_revisions, written_spec
from policies.queries.validation import expected_in

PATIENCE_SECONDS = 10.0
"""For one answer; a person waits."""
LISTING_SECONDS = 20.0
"""For all lists of one namespace together."""

NO_USE_ASKING_ON = (Unreachable, TimedOut, TlsFailed, Unauthorized)
_DECODERS: dict[WorkloadKind, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(struct) for kind, struct in STRUCT_BY_KIND.items()
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check, with the cluster's own words."""

    id: CheckId
    meaning: Meaning
    seconds: float
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of it."""

    at: datetime
    expected: Expected
    checks: tuple[Check, ...]
    failures: Failures | None
    """None when the lists could not be read."""


def validate(
    *,
    variant_id: int,
    namespace: str,
    by: Actor,
    now: datetime,
    stopwatch: Callable[[], float] = time.monotonic,
) -> Validation:
    """Run the three checks; what the cluster does wrong is a check's answer, not an error.

    Raises Refused when there is no such namespace, or no pod that this variant would refuse.
    """
    variant = Variant.objects.select_related("cluster").get(pk=variant_id)
    require(by, Act.VALIDATE, at=places_of(variant.cluster, [namespace]))
    space = ObservedNamespace.objects.filter(cluster=variant.cluster, name=namespace).first()
    if space is None:
        raise Refused(f"{variant.cluster.name} has no namespace {namespace}.")
    run = _Run(variant, space, stopwatch)
    found = Validation(now, run.expected, tuple(run.checks()), run.failures)
    audit.record(
        "validation.run",
        by=by,
        now=now,
        cluster=variant.cluster,
        variant=variant.name,
        namespaces=(namespace,),
        details={check.id.value: check.meaning.outcome.value for check in found.checks},
    )
    return found


class _Run:
    """The checks of one validation, one after the other."""

    def __init__(
        self, variant: Variant, space: ObservedNamespace, stopwatch: Callable[[], float]
    ) -> None:
        self.failures: Failures | None = None
        self._variant = variant
        self._namespace = space.name
        self._stopwatch = stopwatch
        self._spec = written_spec(variant, current_revisions([variant]).get(variant.pk))
        self.expected = expected_in(variant, self._spec, space)
        ours = ObservedPolicy.objects.filter(
            cluster=variant.cluster, variant_name=variant.name
        ).values_list("name", flat=True)
        self._policies = tuple(ours)
        self._lost: ClusterError | None = None

    def checks(self) -> Iterator[Check]:
        try:
            probes = probe_pods(self._spec)
        except InvalidVariant as error:
            raise Refused(str(error)) from error
        try:
            with connected(self._variant.cluster, patience_seconds=PATIENCE_SECONDS) as gateway:
                yield self._timed(CheckId.WHO_FAILS, lambda: self._who_fails(gateway))
                yield self._timed(
                    CheckId.BAD_POD, lambda: self._ask(gateway, probes.bad, meaning_of_bad_pod)
                )
                yield self._timed(
                    CheckId.GOOD_POD, lambda: self._ask(gateway, probes.good, meaning_of_good_pod)
                )
        except ClusterError as error:
            yield from (_unasked(check, error) for check in CheckId)

    def _timed(self, check: CheckId, ask: Callable[[], tuple[Meaning, str]]) -> Check:
        if self._lost is not None:
            return _unasked(check, self._lost)
        began = self._stopwatch()
        try:
            meaning, raw = ask()
        except ClusterError as error:
            if isinstance(error, NO_USE_ASKING_ON):
                self._lost = error
            meaning, raw = Meaning(GateOutcome.UNKNOWN, error.message), ""
        return Check(check, meaning, self._stopwatch() - began, raw)

    def _who_fails(self, gateway: Gateway) -> tuple[Meaning, str]:
        if self.expected is Expected.LEFT_ALONE:
            return NOBODY_IS_JUDGED, ""
        spec = self._spec
        unreadable: list[str] = []
        found = failures(
            _objects(gateway, self._namespace, self._stopwatch, unreadable),
            lambda kind, workload: assess(
                kind, workload, parameters=spec.parameters, mechanisms=spec.mechanisms
            ),
        )
        self.failures = replace(found, unreadable=(*found.unreadable, *unreadable))
        return meaning_of_failures(self.failures), ""

    def _ask(
        self, gateway: Gateway, pod: Manifest, read: Callable[[PodAnswer, Expected], Meaning]
    ) -> tuple[Meaning, str]:
        answer = ask_pod(gateway, self._namespace, pod, self._policies)
        return read(answer, self.expected), answer.raw or answer.message


def _unasked(check: CheckId, error: ClusterError) -> Check:
    return Check(check, Meaning(GateOutcome.UNKNOWN, error.message), 0.0)


def _objects(
    gateway: Gateway, namespace: str, stopwatch: Callable[[], float], unreadable: list[str]
) -> Iterator[tuple[WorkloadKind, Workload]]:
    """Yield every object of the nine kinds, and note the kind of what cannot be decoded. Raises ClusterError."""
    began = stopwatch()
    for resource in WORKLOADS:
        kind = WorkloadKind(resource.kind)
        for page in gateway.pages(resource, namespace=namespace):
            if stopwatch() - began > LISTING_SECONDS:
                raise TimedOut(f"Reading all of {namespace} takes longer than a person waits.")
            for item in page.items:
                try:
                    yield kind, _DECODERS[kind].decode(item)
                except msgspec.MsgspecError:
                    unreadable.append(f"a {kind}")
