"""The words for each verb of the trail: one function for each family of verbs, and plain ones for any other.

A row may hold anything, also what somebody has put there by hand; words are found for it all the same.
"""

from collections.abc import Callable, Mapping

from policies.queries.trail_events import Event
from policies.web.presenters.profiles import MECHANISM_TITLES
from policies.web.words import listed

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
}
_GRANT = {
    "given": "gave {to} the role {role} on {scope}",
    "withdrawn": "withdrew the role {role} on {scope} from {to}",
}
_EXCEPTION = {
    "drafted": "drafted an exception from {variant} in {namespaces} on {cluster}",
    "requested": "asked for an exception from {variant} in {namespaces} on {cluster}",
    "edited": "edited the request for an exception from {variant} in {namespaces} on {cluster}",
    "approved": "approved an exception from {variant} in {namespaces} on {cluster}",
    "declined": "declined an exception from {variant} in {namespaces} on {cluster}",
    "withdrawn": "withdrew the request for an exception from {variant} in {namespaces} on {cluster}",
    "lapsed": "let the request for an exception from {variant} in {namespaces} on {cluster} lapse",
    "in_force": "proved that an exception from {variant} is in force in {namespaces} on {cluster}",
    "failed": "could not prove an exception from {variant} in {namespaces} on {cluster}",
    "ending": "began to end an exception from {variant} in {namespaces} on {cluster}",
    "ended": "ended an exception from {variant} in {namespaces} on {cluster}, and proved it",
    "revoked": "revoked an exception from {variant} in {namespaces} on {cluster}",
    "expired": "let an exception from {variant} in {namespaces} on {cluster} expire",
    "expiry_announced": "announced the end of an exception from {variant} in {namespaces} on {cluster}",
    "adopted": "adopted an exception from {variant} in {namespaces} on {cluster}",
    "removed": "removed an exception from {variant} in {namespaces} on {cluster}",
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
    if event.namespaces:
        what = f"enforce {event.variant} in {_names(event)} on {event.cluster}"
    else:
        what = f"install {event.variant} in Audit on {event.cluster}"
    return _filled(_FLIP.get(rest, ""), event, what=what)


def _rollout(event: Event, rest: str) -> str:
    thing = _THINGS.get(_detail(event, "asks"), "the roll-out of")
    return _filled(_ROLLOUT.get(rest, ""), event, thing=thing)


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
    "exception": _simple(_EXCEPTION),
    "sign_in": _sign_in,
    "trail": _trail,
    "row": _simple(_ROW),
}
