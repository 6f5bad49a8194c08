"""The words for each verb of the trail: one function for each family of verbs, and plain ones for any other.

A row may hold anything, also what somebody has put there by hand; words are found for it all the same.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from policies.queries.trail_events import Event
from policies.web.presenters.profiles import MECHANISM_TITLES
from policies.web.words import day, listed

_CLUSTER = {
    "added": "added the cluster {cluster}",
    "credential_replaced": "replaced the credential of {cluster}",
    "tested": "tested the connection to {cluster}",
}
_CREDENTIALS = {"rotated": "encrypted all credentials with the newest key"}
_COLLECTION = {
    "requested": "asked to collect {cluster}",
    "incomplete": "could not collect everything from {cluster}",
}
_VARIANT = {
    "created": "created the variant {variant} on {cluster}",
    "edited": "edited the variant {variant} on {cluster}",
}
_PROFILE = {
    "created": "created the {mechanism} profile {profile}",
    "version_added": "saved version {number} of the {mechanism} profile {profile}",
    "retired": "retired the {mechanism} profile {profile}",
}
_INVENTORY = {
    "pool_declared": "declared the node pool {pool} on {cluster}",
    "pool_withdrawn": "withdrew the node pool {pool} on {cluster}",
    "profile_declared": "declared {value} on the node pool {pool} of {cluster}",
    "profile_withdrawn": "withdrew {value} from the node pool {pool} of {cluster}",
}
_REHEARSAL = {"requested": "rehearsed {variant} in {namespaces} on {cluster}"}
_VALIDATION = {"run": "validated {variant} in {namespaces} on {cluster}"}
_FLIP = {
    "requested": "asked to {what}",
    "approved": "approved: {what}",
    "declined": "declined: {what}",
    "withdrawn": "withdrew the request: {what}",
    "lapsed": "let a request lapse: {what}",
    "stale": "voided the plan: {what}",
    "rolled_back": "rolled back {variant} in {namespaces} on {cluster}",
}
_ROLLOUT = {
    "started": "began the roll-out of {variant} in {namespaces} on {cluster}",
    "resumed": "took up the roll-out of {variant} in {namespaces} on {cluster} again",
    "superseded": "stopped the roll-out of {variant} in {namespaces} on {cluster}",
    "proven": "proved {thing} {variant} in {namespaces} on {cluster}",
    "failed": "could not prove {thing} {variant} in {namespaces} on {cluster}",
    "stale": "stopped before writing {variant} on {cluster}: the ground had moved",
    "check": "checked the ground for {variant} on {cluster}",
    "dry-run": "asked {cluster} about a policy of {variant}",
    "apply": "wrote a policy of {variant} to {cluster}",
    "read-back": "read back a policy of {variant} from {cluster}",
    "prove-refused": "sent a bad pod past {variant} on {cluster}",
    "prove-admitted": "sent a good pod past {variant} on {cluster}",
    "prove-neighbour": "sent a bad pod past {variant} in a neighbour on {cluster}",
    "prove-warned": "sent a bad pod past {variant} in Audit on {cluster}",
    "prove-exempt": "sent a bad pod of an exempt workload past {variant} on {cluster}",
    "prove-not-exempt": "sent a bad pod beside an exempt workload past {variant} on {cluster}",
    "prove-judged": "sent a bad pod of a workload exempt before past {variant} on {cluster}",
}
_GRANT = {
    "given": "gave {to} the role {role} on {scope}",
    "withdrawn": "withdrew the role {role} on {scope} from {to}",
}
_EXCEPTION = {
    "drafted": "drafted an exception {somewhere}",
    "requested": "asked to exempt {exempted} until {until}",
    "edited": "edited the request to exempt {exempted}",
    "withdrawn": "withdrew the request for an exception {somewhere}",
    "approved": "agreed to exempt {exempted} until {until}",
    "declined": "declined an exception {somewhere}",
    "lapsed": "let the request lapse for an exception {somewhere}",
    "tried_again": "tried an exception {somewhere} again",
    "in_force": "proved an exception {somewhere}",
    "failed": "could not prove an exception {somewhere}",
    "revoked": "revoked the exception of {exempted}",
    "not_needed": "gave up the exception of {exempted}: nothing needs it",
    "put_off": "could not carry out an exception {somewhere} yet",
    "expired": "began to end the exception of {exempted}: its time is over",
    "ended": "proved that an exception {somewhere} is over",
    "end_unproven": "could not prove that an exception {somewhere} is over",
    "expiry_announced": "told ahead that the exception of {exempted} ends on {until}",
}
_SIGN_IN = {
    "done": "signed in {value}",
    "failed": "was not let in {value}",
    "out": "signed out",
    "factor_added": "added {value} as a second factor",
    "factor_removed": "removed {value}",
    "factor_failed": "gave a wrong second factor {value}",
    "codes_made": "made new recovery codes",
    "code_used": "used a recovery code, {value}",
    "confirmed": "confirmed with {value} that it is them",
    "not_confirmed": "did not confirm {value} that it is them",
    "password_changed": "changed their password",
    "session_ended": "ended a session: {value}",
    "groups_changed": "has other groups by the provider: {value}",
}
_TRAIL = {
    "exported": "exported the audit trail as {format}{filter}",
    "head_signed": "took a signed head of the audit trail",
}
_ROW = {"unreadable": "did something that cannot be read any more: somebody has changed this row"}

_THINGS = {
    "install": "the installation of",
    "enforce": "the enforcement of",
    "rollback": "the rollback of",
    "exempt": "an exception from",
    "end-exemption": "the end of an exception from",
    "remove-exception": "the removal of an exception from",
}
_MECHANISMS = {mechanism.value: title for mechanism, title in MECHANISM_TITLES.items()}
_FORMATS = {"csv": "CSV", "jsonl": "JSON lines"}


def words_of(event: Event) -> str:
    """Say what the actor did, without the name in front."""
    family, _, rest = event.verb.partition(".")
    speak = FAMILIES.get(family)
    return (speak(event, rest) if speak else "") or _plainly(event)


def plain_words(verb: str) -> str:
    """Say a verb as it stands: `flip.rolled_back` is `flip rolled back`."""
    return verb.replace(".", " ").replace("_", " ").replace("-", " ")


def _plainly(event: Event) -> str:
    on = f" on {event.cluster}" if event.cluster else ""
    variant = f" {event.variant}" if event.variant else ""
    verb = plain_words(event.verb)
    return f"{verb}:{variant}{on}" if variant or on else verb


def _filled(pattern: str, event: Event, **values: str) -> str:
    if not event.namespaces:
        pattern = pattern.replace(" in {namespaces}", "")
    return pattern.format(
        cluster=event.cluster or "a cluster",
        variant=event.variant or "a policy",
        namespaces=_names(event),
        **values,
    )


def _names(event: Event) -> str:
    return listed(tuple(str(name) for name in event.namespaces))


def _detail(event: Event, name: str) -> str:
    return str(event.details.get(name, ""))


def _simple(patterns: Mapping[str, str]) -> Callable[[Event, str], str]:
    """Make the function of a family that says cluster, variant and namespaces alone."""
    return lambda event, rest: _filled(patterns.get(rest, ""), event)


def _profile(event: Event, rest: str) -> str:
    return _filled(
        _PROFILE.get(rest, ""),
        event,
        profile=_detail(event, "profile"),
        mechanism=_MECHANISMS.get(_detail(event, "mechanism"), ""),
        number=_detail(event, "number"),
    )


def _inventory(event: Event, rest: str) -> str:
    said = {name: _detail(event, name) for name in ("pool", "value")}
    return _filled(_INVENTORY.get(rest, ""), event, **said)


def _flip(event: Event, rest: str) -> str:
    if _detail(event, "asks") == "remove-exception":
        what = (
            f"remove an exception from {event.variant} that secprof did not make on {event.cluster}"
        )
    elif event.namespaces:
        what = f"enforce {event.variant} in {_names(event)} on {event.cluster}"
    else:
        what = f"install {event.variant} in Audit on {event.cluster}"
    return _filled(_FLIP.get(rest, ""), event, what=what)


def _rollout(event: Event, rest: str) -> str:
    thing = _THINGS.get(_detail(event, "asks"), "the roll-out of")
    return _filled(_ROLLOUT.get(rest, ""), event, thing=thing)


def _exception(event: Event, rest: str) -> str:
    somewhere = f"in {_names(event)} from {event.variant} on {event.cluster}"
    exempted = f"{_workloads(event)} {somewhere}".strip()
    return _filled(
        _EXCEPTION.get(rest, ""),
        event,
        somewhere=somewhere,
        exempted=exempted,
        until=_until(event),
    )


def _workloads(event: Event) -> str:
    named = event.details.get("workloads")
    rows = [row for row in named if isinstance(row, dict)] if isinstance(named, list) else []
    return listed(tuple(f"{r.get('kind', '')} {r.get('name', '')}".strip() for r in rows), limit=2)


def _until(event: Event) -> str:
    try:
        return day(datetime.fromisoformat(_detail(event, "ends_at")))
    except ValueError:
        return "an end to be said"


def _grant(event: Event, rest: str) -> str:
    said = {name: _detail(event, name) for name in ("to", "role", "scope")}
    return _filled(_GRANT.get(rest, ""), event, **said)


def _sign_in(event: Event, rest: str) -> str:
    return _filled(_SIGN_IN.get(rest, ""), event, value=_detail(event, "value"))


def _trail(event: Event, rest: str) -> str:
    wanted = event.details.get("filter")
    parts = sorted(wanted.items()) if isinstance(wanted, dict) else []
    chosen = ", ".join(f"{name} {value}" for name, value in parts)
    form = _detail(event, "format")
    return _filled(
        _TRAIL.get(rest, ""),
        event,
        format=_FORMATS.get(form, form),
        filter=f" ({chosen})" if chosen else "",
    )


FAMILIES: dict[str, Callable[[Event, str], str]] = {
    "cluster": _simple(_CLUSTER),
    "credentials": _simple(_CREDENTIALS),
    "collection": _simple(_COLLECTION),
    "variant": _simple(_VARIANT),
    "profile": _profile,
    "inventory": _inventory,
    "rehearsal": _simple(_REHEARSAL),
    "validation": _simple(_VALIDATION),
    "flip": _flip,
    "rollout": _rollout,
    "grant": _grant,
    "exception": _exception,
    "sign_in": _sign_in,
    "trail": _trail,
    "row": _simple(_ROW),
}
