"""What a policy that we did not write does in one namespace: the failure action that takes effect there.

Kyverno decides twice: which rules judge before the answer is sent (`judged`), and whether a failure refuses (`refused`).
The two read overrides in different ways, and each version a little differently (kyverno-facts 2.13 to 2.25). Where they
disagree the policy says one thing and does another: that is inconsistent, and nobody should count on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from policies.domain.enforceability import lets_through
from policies.domain.engine_settings import OWN, Condition, Webhook
from policies.domain.engines import Version
from policies.domain.label_selectors import read_selector
from policies.domain.lint.effects import cel_actions, overrides_of
from policies.domain.lint.policy import Family, Policy, Rule
from policies.domain.lint.reading import mapping
from policies.domain.matching import rule_reaches
from policies.domain.overrides import (
    BANDS,
    NEITHER,
    Action,
    Place,
    Unsettled,
    stated_action,
    two_readings,
)
from policies.domain.reported import Reported, conditions_of, reported_in

SHARING_BROKEN = ((1, 16, 0), (1, 19, 0))
"""From the first on, and before the second, policies that share a webhook overwrite each other's selector (T2)."""


class Outcome(StrEnum):
    """What becomes of something that fails."""

    DENIES = "denies"
    AUDITS = "audits"
    NOTHING = "nothing"
    INCONSISTENT = "inconsistent"
    UNKNOWN = "unknown"


SEVEREST = (
    Outcome.INCONSISTENT,
    Outcome.UNKNOWN,
    Outcome.DENIES,
    Outcome.AUDITS,
    Outcome.NOTHING,
)
"""Outcomes in the order of what somebody has to know first; of several rules the first of these counts."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One policy in one namespace."""

    namespace: str
    outcome: Outcome
    judged: str
    """`Enforce`: before the answer, `Audit`: after it, `Neither`; empty when it is not judged here or not known."""
    refused: str
    """`Enforce` or `Audit`; empty like `judged`."""
    sentence: str
    reported: Reported = Reported.UNKNOWN
    """What of its findings reaches reports, whatever becomes of requests."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What of the engine decides."""

    version: Version | None = None
    webhooks: tuple[Webhook, ...] | None = None


def has_effects(policy: Policy) -> bool:
    """Say whether this is a kind whose action can be told namespace by namespace."""
    return bool(policy.validating) or policy.family is Family.CEL


def asks_about_pods(policy: Policy) -> bool:
    """Say whether Kyverno has to be asked about pods because of this policy."""
    if not _judges_at_admission(policy) or _is_generated(policy):
        return False
    if policy.family is Family.CEL:
        return "pods" in policy.resources
    return any({"Pod", "*"} & set(rule.kinds) for rule in policy.validating)


def effects(policy: Policy, places: Iterable[Place], engine: Engine) -> tuple[Effect, ...]:
    """Say what the policy does in each namespace, in their order."""
    return tuple(
        replace(_effect(policy, place, engine), reported=reported_in(policy, place))
        for place in places
    )


def is_inconsistent(policy: Policy, places: Iterable[Place], engine: Engine) -> bool:
    """Say whether Kyverno contradicts itself about this policy in one of these namespaces."""
    return any(_effect(policy, p, engine).outcome is Outcome.INCONSISTENT for p in places)


def _effect(policy: Policy, place: Place, engine: Engine) -> Effect:
    if place.obstacle:
        return _nothing(place, place.obstacle)
    if not _judges_at_admission(policy):
        return _nothing(place, "The policy is off at admission: only reports tell of it.")
    by_rules = policy.family is Family.RULES
    found = _of_rules(policy, place, engine) if by_rules else _of_cel(policy, place, engine)
    if found.outcome not in (Outcome.DENIES, Outcome.AUDITS) or _is_generated(policy):
        return found
    return _called(policy, place, engine, found)


def _nothing(place: Place, sentence: str) -> Effect:
    return Effect(place.name, Outcome.NOTHING, "", "", sentence)


def _unknown(place: Place, sentence: str) -> Effect:
    return Effect(place.name, Outcome.UNKNOWN, "", "", sentence)


# Whether it is asked at all


def _judges_at_admission(policy: Policy) -> bool:
    if policy.family is Family.CEL:
        evaluation = mapping(policy.spec.get("evaluation"))
        return mapping(evaluation.get("admission")).get("enabled") is not False
    return policy.spec.get("admission") is not False


def _is_generated(policy: Policy) -> bool:
    """Say whether the API server judges by a native policy that Kyverno made of this one (T13)."""
    status = mapping(policy.manifest.get("status"))
    native = mapping(status.get("validatingadmissionpolicy"))
    return status.get("generated") is True or native.get("generated") is True


def _called(policy: Policy, place: Place, engine: Engine, found: Effect) -> Effect:
    """Ask whether the API server calls Kyverno about this policy here; the found effect stands if so."""
    if not asks_about_pods(policy):
        return found
    if engine.webhooks is None:
        return _called_by_version(policy, place, engine.version, found)
    own = [each for each in engine.webhooks if each.asks_about_pods and _is_for(each, policy)]
    reached = [each.reaches(place.labels) for each in own]
    if any(reached):
        return found
    if None in reached:
        return _unknown(place, "The selector of its webhook could not be read.")
    if found.outcome is not Outcome.DENIES:
        return _nothing(place, "No webhook asks about it here: only background scans tell of it.")
    return Effect(
        place.name,
        Outcome.INCONSISTENT,
        NEITHER,
        found.refused,
        "It is to refuse here, and no webhook asks Kyverno about it: nothing is refused.",
    )


def _is_for(webhook: Webhook, policy: Policy) -> bool:
    if policy.family is Family.CEL:
        return policy.name in webhook.policies and webhook.name.startswith("vpol.")
    if OWN in webhook.name:
        return webhook.name.endswith(f"{OWN}{policy.name}")
    return webhook.is_shared and not _has_own_webhook(policy)


def _has_own_webhook(policy: Policy) -> bool:
    if policy.family is Family.CEL:
        match = mapping(policy.spec.get("matchConstraints"))
        timeout = mapping(policy.spec.get("webhookConfiguration")).get("timeoutSeconds")
        conditions = policy.spec.get("matchConditions")
        return bool(timeout or conditions or match.get("matchPolicy") == "Exact")
    return bool(mapping(policy.spec.get("webhookConfiguration")).get("matchConditions"))


def _called_by_version(
    policy: Policy, place: Place, version: Version | None, found: Effect
) -> Effect:
    first, fixed = SHARING_BROKEN
    is_sound = version is not None and not first <= version < fixed
    if policy.family is not Family.CEL or _has_own_webhook(policy) or is_sound:
        return found
    return _unknown(
        place, "It may share a webhook whose selector belongs to another policy: nobody knows."
    )


# ClusterPolicies


def _of_rules(policy: Policy, place: Place, engine: Engine) -> Effect:
    if _is_generated(policy):
        return _of_generated(policy, place)
    reached = [rule_reaches(rule, place) for rule in policy.validating]
    rules = tuple(r for r, hit in zip(policy.validating, reached, strict=True) if hit is not False)
    if not rules:
        return _nothing(place, "No rule matches anything here.")
    versions = BANDS if engine.version is None else (engine.version,)
    found = dict.fromkeys(_at_version(policy, rules, place, version) for version in versions)
    if len(found) > 1:
        return _unknown(place, "That depends on the version of Kyverno, which is not known.")
    (effect,) = found
    if None in reached and effect.outcome is Outcome.DENIES:
        return _unknown(place, "Whether a rule matches here could not be told.")
    return effect


def _at_version(policy: Policy, rules: tuple[Rule, ...], place: Place, version: Version) -> Effect:
    own = _has_own_webhook(policy)
    found = []
    for rule in rules:
        try:
            judged, refused = two_readings(policy, rules, rule, place, version, is_own=own)
        except Unsettled as error:
            found.append(_unknown(place, str(error)))
        else:
            found.append(_compared(place, judged, refused, is_own=own))
    return min(found, key=lambda each: SEVEREST.index(each.outcome))


def _compared(place: Place, judged: Action, refused: Action, *, is_own: bool) -> Effect:
    if judged == refused:
        outcome = Outcome.DENIES if judged == "Enforce" else Outcome.AUDITS
        return Effect(place.name, outcome, judged, refused, _SENTENCES[outcome])
    sentence = _CONTRADICTIONS[judged]
    if is_own:
        sentence = "Its rules ask for different actions, and this version takes one for them all."
    return Effect(place.name, Outcome.INCONSISTENT, judged, refused, sentence)


_SENTENCES = {
    Outcome.DENIES: "What fails is refused.",
    Outcome.AUDITS: "What fails is admitted, and reported.",
}
_CONTRADICTIONS: dict[str, str] = {
    "Audit": "It is to refuse here, but is judged after the answer: nothing is refused.",
    "Enforce": "It is judged before the answer, but refuses nothing: what fails gets a warning at most.",
    NEITHER: "No override names it: this version judges it neither before nor after the answer.",
}


def _of_generated(policy: Policy, place: Place) -> Effect:
    """A generated native policy takes the rule's or the policy's action, and passes over a lone selector override."""
    if any(overrides_of(policy, rule) for rule in policy.validating):
        return _unknown(
            place, "The API server judges by a generated policy, which leaves overrides out."
        )
    action = stated_action(policy, policy.validating[0])
    outcome = Outcome.DENIES if action == "Enforce" else Outcome.AUDITS
    return Effect(
        place.name, outcome, action, action, f"The API server itself judges. {_SENTENCES[outcome]}"
    )


# ValidatingPolicies


def _of_cel(policy: Policy, place: Place, engine: Engine) -> Effect:
    match = mapping(policy.spec.get("matchConstraints"))
    selector = read_selector(match.get("namespaceSelector"))
    if selector is None:
        return _unknown(place, "Its namespaceSelector could not be read.")
    if not selector.matches(place.labels):
        return _nothing(place, "Its namespaceSelector leaves the namespace out.")
    answers = [(each, lets_through(each, place.name)) for each in conditions_of(policy)]
    if any(answer is False for _, answer in answers):
        return _nothing(place, "Its matchConditions leave the namespace out.")
    denies = "Deny" in cel_actions(policy)
    action: Action = "Enforce" if denies else "Audit"
    outcome = Outcome.DENIES if denies else Outcome.AUDITS
    for condition, answer in answers:
        if answer is None and _mentions_namespace(condition):
            return _unknown(place, f"Its condition {condition.name} asks about the namespace.")
    return Effect(place.name, outcome, action, action, _cel_sentence(policy, outcome))


def _cel_sentence(policy: Policy, outcome: Outcome) -> str:
    if not policy.spec.get("validationActions"):
        return "It states no action, which means Deny: what fails is refused."
    return _SENTENCES[outcome]


def _mentions_namespace(condition: Condition) -> bool:
    text = condition.expression
    return any(
        each in text for each in ("request.namespace", "namespaceObject", "metadata.namespace")
    )
