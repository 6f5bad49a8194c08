"""Reads events and conditions of a cluster into denials: what a policy refused, to whom, how often.

A controller that cannot create its pods is told apart from somebody who tried by hand. What a denial means for a namespace is
decided by those who show it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from policies.domain.answers import AnswerOutcome, owner_of, sentences, webhook_of
from policies.domain.reports import fold_rule

FAILED_CREATE = ("FailedCreate", "ReplicaSetCreateError")
"""Reasons by which controllers say that they could not create something."""
VIOLATED = "PolicyViolation"
"""The reason by which Kyverno says it on the policy."""
PROBES = "secprof-probe-"
"""What names of our own probes begin with: their refusals are wanted."""
TEXT_LIMIT = 4000
"""Characters of a text that are read."""
POD_SECURITY = "PodSecurity"


REPLICA_FAILURE = "ReplicaFailure"
"""The condition of what goes on trying; others are of what has ended."""
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Attempt(StrEnum):
    """Who tried."""

    CONTROLLER = "controller"
    """A controller of Kubernetes, which goes on trying: its workload lacks pods."""
    HAND = "hand"
    """Somebody by hand, a pipeline, or a controller that is not Kubernetes' own."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a text says: who refused, and why."""

    outcome: AnswerOutcome
    """REFUSED by a policy of Kyverno's or the API server's; REFUSED_BY_OTHER; POLICY_ERROR and ENGINE_DOWN: it could not be
    judged."""
    policy: str
    """Of a native policy the binding; of others the webhook, or `PodSecurity`."""
    rule: str
    """Without the prefix of a derived rule; empty but for a ClusterPolicy."""
    message: str


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal, as often as one event says that it happened."""

    refusal: Refusal
    attempt: Attempt
    event: str
    """Uid of the event, or `condition:` and the uid of the object."""
    namespace: str
    kind: str
    """Of the object that says so, or that was tried, as are the next two."""
    name: str
    uid: str
    count: int
    """0 for a condition, which does not say how often."""
    first_at: datetime
    last_at: datetime
    text: str
    """As it was read."""


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Series(msgspec.Struct, frozen=True, rename="camel"):
    count: int = 0
    last_observed_time: Time | None = None


class EventMeta(msgspec.Struct, frozen=True, rename="camel"):
    uid: str = ""
    name: str = ""
    creation_timestamp: Time | None = None


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """An event of the core group, as either API writes it."""

    metadata: EventMeta
    involved_object: Reference
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    event_time: Time | None = None
    series: Series | None = None


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """A condition in an object's status."""

    type: str = ""
    status: str = ""
    message: str = ""
    last_transition_time: Time | None = None


# What stands first is the API server's own; what a refusal quotes was written by others.
_START = re.compile(
    r'admission webhook "|(?:failed calling|failed to call) webhook|ValidatingAdmissionPolicy \''
    r"|is forbidden: violates PodSecurity"
)
_DENIED = "denied the request:"
# `Pod shop/web-1: [rule] fail (blocked); message`, without a rule from a ValidatingPolicy.
_BLOCKED = re.compile(
    r"(\S{1,63}) ([^\s/]{1,63})/([^\s:]{1,253}): (?:\[([^\]]{0,253})\] )?(fail|error) \(blocked\);? ?(.*)",
    re.DOTALL,
)


def read_refusals(text: str) -> tuple[Refusal, ...]:
    """Read who refused what a controller's text, or a condition, tells of; nothing when it tells of no admission."""
    found = _START.search(text[:TEXT_LIMIT])
    if found is None:
        return ()
    raw = text[found.start() : TEXT_LIMIT]
    if raw.startswith("failed "):
        webhook = webhook_of(raw)
        policy = owner_of(webhook) or webhook
        return (Refusal(AnswerOutcome.ENGINE_DOWN, policy, "", text[:TEXT_LIMIT].strip()),)
    if raw.startswith("is forbidden"):
        message = raw.removeprefix("is forbidden: ").strip()
        return (Refusal(AnswerOutcome.REFUSED_BY_OTHER, POD_SECURITY, "", message),)
    return tuple(_by_policies(raw)) or _by_webhook(raw)


def _by_policies(raw: str) -> Iterator[Refusal]:
    for said in sentences(raw):
        outcome = AnswerOutcome.POLICY_ERROR if said.error else AnswerOutcome.REFUSED
        yield Refusal(outcome, said.policy, fold_rule(said.rule), said.message)


def _by_webhook(raw: str) -> tuple[Refusal, ...]:
    """Read a refusal in words that are not understood: the webhook's name is all that is known of it."""
    webhook = webhook_of(raw)
    if not webhook or _DENIED not in raw:
        return ()
    message = raw.partition(_DENIED)[2].strip()
    owner = owner_of(webhook) if "kyverno.svc" in webhook else ""
    if owner:
        return (Refusal(AnswerOutcome.REFUSED, owner, "", message),)
    return (Refusal(AnswerOutcome.REFUSED_BY_OTHER, webhook, "", message),)


def read_event(event: Event, *, now: datetime) -> tuple[Denial, ...]:
    """Read the denials of one event, one for each policy; none when it tells of something else.

    No event is later than `now`, whatever its writer's clock says.

    Raises:
        ValueError: it does not say when.
    """
    text = _plain(event.message or "")
    if event.reason in FAILED_CREATE:
        regarding = event.involved_object
        refusals = read_refusals(text)
        attempt = Attempt.CONTROLLER
    elif event.reason == VIOLATED and (found := _BLOCKED.fullmatch(text)):
        kind, namespace, name, rule, verdict, message = found.groups()
        if name.startswith(PROBES):
            return ()
        outcome = AnswerOutcome.POLICY_ERROR if verdict == "error" else AnswerOutcome.REFUSED
        policy = event.involved_object.name
        refusals = (Refusal(outcome, policy, fold_rule(rule or ""), message.strip()),)
        regarding = Reference(kind, namespace, name)
        attempt = Attempt.HAND
    else:
        return ()
    last_at = _last_at(event, now)
    return tuple(_denial(event, last_at, each, regarding, attempt, text) for each in refusals)


def _plain(text: str) -> str:
    """Take out what no database stores."""
    return text.replace("\x00", "")


def _last_at(event: Event, now: datetime) -> datetime:
    series = event.series or Series()
    said = (series.last_observed_time, event.last_timestamp, event.event_time)
    known = [at for at in (*said, event.metadata.creation_timestamp) if at is not None]
    if not known:
        raise ValueError("The event does not say when.")
    return min(max(known), now)


def _denial(
    event: Event,
    last_at: datetime,
    refusal: Refusal,
    regarding: Reference,
    attempt: Attempt,
    text: str,
) -> Denial:
    began_at = event.first_timestamp or event.event_time or event.metadata.creation_timestamp
    return Denial(
        refusal=refusal,
        attempt=attempt,
        event=event.metadata.uid,
        namespace=regarding.namespace,
        kind=regarding.kind,
        name=regarding.name,
        uid=regarding.uid,
        count=max(event.count or 0, event.series.count if event.series else 0, 1),
        first_at=min(began_at or last_at, last_at),
        last_at=last_at,
        text=text[:TEXT_LIMIT],
    )


def read_condition(
    condition: Condition, regarding: Reference, *, now: datetime
) -> tuple[Denial, ...]:
    """Read the denials that a condition quotes. What goes on trying is refused until `now`, when its object was read."""
    if condition.status != "True":
        return ()
    since = min(condition.last_transition_time or now, now)
    return tuple(
        Denial(
            refusal=refusal,
            attempt=Attempt.CONTROLLER,
            event=f"condition:{regarding.uid}",
            namespace=regarding.namespace,
            kind=regarding.kind,
            name=regarding.name,
            uid=regarding.uid,
            count=0,
            first_at=since,
            last_at=now if condition.type == REPLICA_FAILURE else since,
            text=_plain(condition.message)[:TEXT_LIMIT],
        )
        for refusal in read_refusals(_plain(condition.message))
    )


class _Status(msgspec.Struct):
    conditions: tuple[Condition, ...] | None = None


class _WithStatus(msgspec.Struct):
    metadata: Reference
    status: _Status | None = None


_WITH_STATUS = msgspec.json.Decoder(_WithStatus)
_QUOTES = (b"denied the request", b"denied request", b"webhook", b"violates PodSecurity")


def conditions_of(kind: str, item: bytes) -> tuple[tuple[Condition, ...], Reference]:
    """Give the conditions of an object that may quote a denial, and which object it is; most are passed over unread."""
    if b'"conditions"' not in item or not any(quote in item for quote in _QUOTES):
        return (), Reference()
    try:
        found = _WITH_STATUS.decode(item)
    except msgspec.MsgspecError:
        return (), Reference()
    meta = found.metadata
    status = found.status or _Status()
    return status.conditions or (), Reference(kind, meta.namespace, meta.name, meta.uid)


def to_json(denial: Denial) -> dict[str, Any]:
    """Write what a page shows of a denial's event."""
    return {
        "event": denial.event,
        "kind": denial.kind,
        "name": denial.name,
        "count": denial.count,
        "at": denial.last_at.isoformat(),
        "text": denial.text,
    }
