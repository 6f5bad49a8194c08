"""The audit trail in sentences: one for each verb, and a plain one for verbs that nobody foresaw."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policies.queries.trail import Event
from policies.web.presenters.profiles import MECHANISM_TITLES
from policies.web.words import day, listed


@dataclass(frozen=True, slots=True)
class Sentence:
    """One row of the trail in words."""

    id: int
    at: datetime
    actor: str
    text: str
    """What the actor did, without the name in front."""
    message: str
    outcome: str
    flip_id: str
    exception_id: str
    digest: str
    raw: str


_TEXTS = {
    "cluster.added": "added the cluster {cluster}",
    "cluster.credential_replaced": "replaced the credential of {cluster}",
    "cluster.tested": "tested the connection to {cluster}",
    "credentials.rotated": "encrypted all credentials with the newest key",
    "collection.requested": "asked to collect {cluster}",
    "collection.incomplete": "could not collect everything from {cluster}",
    "variant.created": "created the variant {variant} on {cluster}",
    "variant.edited": "edited the variant {variant} on {cluster}",
    "profile.created": "created the {mechanism} profile {profile}",
    "profile.version_added": "saved version {number} of the {mechanism} profile {profile}",
    "profile.retired": "retired the {mechanism} profile {profile}",
    "inventory.pool_declared": "declared the node pool {pool} on {cluster}",
    "inventory.pool_withdrawn": "withdrew the node pool {pool} on {cluster}",
    "inventory.profile_declared": "declared {value} on the node pool {pool} of {cluster}",
    "inventory.profile_withdrawn": "withdrew {value} from the node pool {pool} of {cluster}",
    "grant.given": "gave {to} the role {role} on {scope}",
    "grant.withdrawn": "withdrew the role {role} on {scope} from {to}",
    "rehearsal.requested": "rehearsed {variant} in {namespaces} on {cluster}",
    "validation.run": "validated {variant} in {namespaces} on {cluster}",
    "flip.requested": "asked to {what}",
    "flip.approved": "approved: {what}",
    "flip.declined": "declined: {what}",
    "flip.withdrawn": "withdrew the request: {what}",
    "flip.lapsed": "let a request lapse: {what}",
    "flip.stale": "voided the plan: {what}",
    "flip.rolled_back": "rolled back {variant} in {namespaces} on {cluster}",
    "exception.drafted": "drafted an exception {somewhere}",
    "exception.requested": "asked to exempt {exempted} until {until}",
    "exception.edited": "edited the request to exempt {exempted}",
    "exception.withdrawn": "withdrew the request for an exception {somewhere}",
    "exception.approved": "agreed to exempt {exempted} until {until}",
    "exception.declined": "declined an exception {somewhere}",
    "exception.lapsed": "let the request lapse for an exception {somewhere}",
    "exception.tried_again": "tried an exception {somewhere} again",
    "exception.in_force": "proved an exception {somewhere}",
    "exception.failed": "could not prove an exception {somewhere}",
    "exception.revoked": "revoked the exception of {exempted}",
    "exception.not_needed": "gave up the exception of {exempted}: nothing needs it",
    "exception.put_off": "could not carry out an exception {somewhere} yet",
    "exception.expired": "began to end the exception of {exempted}: its time is over",
    "exception.ended": "proved that an exception {somewhere} is over",
    "exception.end_unproven": "could not prove that an exception {somewhere} is over",
    "exception.expiry_announced": "told ahead that the exception of {exempted} ends on {until}",
    "rollout.started": "began the roll-out of {variant} in {namespaces} on {cluster}",
    "rollout.resumed": "took up the roll-out of {variant} in {namespaces} on {cluster} again",
    "rollout.superseded": "stopped the roll-out of {variant} in {namespaces} on {cluster}",
    "rollout.proven": "proved {thing} {variant} in {namespaces} on {cluster}",
    "rollout.failed": "could not prove {thing} {variant} in {namespaces} on {cluster}",
    "rollout.stale": "stopped before writing {variant} on {cluster}: the ground had moved",
    "rollout.check": "checked the ground for {variant} on {cluster}",
    "rollout.dry-run": "asked {cluster} about a policy of {variant}",
    "rollout.apply": "wrote a policy of {variant} to {cluster}",
    "rollout.read-back": "read back a policy of {variant} from {cluster}",
    "rollout.prove-refused": "sent a bad pod past {variant} on {cluster}",
    "rollout.prove-admitted": "sent a good pod past {variant} on {cluster}",
    "rollout.prove-neighbour": "sent a bad pod past {variant} in a neighbour on {cluster}",
    "rollout.prove-warned": "sent a bad pod past {variant} in Audit on {cluster}",
    "rollout.prove-exempt": "sent a bad pod of an exempt workload past {variant} on {cluster}",
    "rollout.prove-not-exempt": "sent a bad pod beside an exempt workload past {variant} on {cluster}",
    "rollout.prove-judged": "sent a bad pod of a workload exempt before past {variant} on {cluster}",
}


def sentences(events: Iterable[Event]) -> tuple[Sentence, ...]:
    """Say each row of the trail in a sentence."""
    return tuple(_sentence(event) for event in events)


def verb_title(verb: str) -> str:
    """Say a verb as people do: `flip.rolled_back` is `flip rolled back`."""
    return verb.replace(".", " ").replace("_", " ").replace("-", " ")


def _sentence(event: Event) -> Sentence:
    return Sentence(
        id=event.id,
        at=event.at,
        actor=event.actor,
        text=_text(event),
        message=event.message,
        outcome=event.outcome,
        flip_id=event.flip_id,
        exception_id=event.exception_id,
        digest=event.plan_digest,
        raw=_raw(event),
    )


def _text(event: Event) -> str:
    pattern = _TEXTS.get(event.verb)
    if pattern is None:
        on = f" on {event.cluster}" if event.cluster else ""
        variant = f" {event.variant}" if event.variant else ""
        return (
            f"{verb_title(event.verb)}:{variant}{on}" if variant or on else verb_title(event.verb)
        )
    if not event.namespaces:
        pattern = pattern.replace(" in {namespaces}", "")
    return pattern.format(
        cluster=event.cluster,
        variant=event.variant,
        namespaces=listed(event.namespaces),
        what=_what(event),
        exempted=_exempted(event),
        somewhere=_somewhere(event),
        until=_until(event),
        thing=_THINGS.get(event.details.get("asks", ""), "the roll-out of"),
        pool=event.details.get("pool", ""),
        value=event.details.get("value", ""),
        profile=event.details.get("profile", ""),
        mechanism=MECHANISM_TITLES.get(event.details.get("mechanism", ""), ""),
        number=event.details.get("number", ""),
        to=event.details.get("to", ""),
        role=event.details.get("role", ""),
        scope=event.details.get("scope", ""),
    )


_THINGS = {
    "install": "the installation of",
    "enforce": "the enforcement of",
    "rollback": "the rollback of",
    "exempt": "an exception from",
    "end-exemption": "the end of an exception from",
    "remove-exception": "the removal of an exception from",
}


def _exempted(event: Event) -> str:
    workloads = event.details.get("workloads") or ()
    names = tuple(f"{w.get('kind', '')} {w.get('name', '')}".strip() for w in workloads)
    return f"{listed(names, limit=2)} {_somewhere(event)}".strip()


def _somewhere(event: Event) -> str:
    return f"in {listed(event.namespaces)} from {event.variant} on {event.cluster}"


def _until(event: Event) -> str:
    try:
        return day(datetime.fromisoformat(event.details.get("ends_at") or ""))
    except ValueError:
        return "an end to be said"


def _what(event: Event) -> str:
    if event.details.get("asks") == "remove-exception":
        return (
            f"remove an exception from {event.variant} that secprof did not make on {event.cluster}"
        )
    if not event.namespaces:
        return f"install {event.variant} in Audit on {event.cluster}"
    return f"enforce {event.variant} in {listed(event.namespaces)} on {event.cluster}"


def _raw(event: Event) -> str:
    values = {name: getattr(event, name) for name in Event.__slots__}
    return json.dumps(values, indent=2, default=str)
