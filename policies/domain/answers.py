"""Reads what the API server said to a dry-run pod: who refused it, who warned, or that nobody could say.

Only a refusal by one of our policies counts as one; whatever is not understood is somebody else's.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import yaml


class AnswerOutcome(StrEnum):
    """What became of the pod."""

    ADMITTED = "admitted"
    WARNED = "warned"
    """Admitted, and one of our policies warned."""
    REFUSED = "refused"
    """By one of our policies, which judged the pod and found it failing."""
    REFUSED_BY_OTHER = "refused-by-other"
    POLICY_ERROR = "policy-error"
    """One of our policies could not judge the pod. That proves nothing."""
    ENGINE_DOWN = "engine-down"


@dataclass(frozen=True, slots=True)
class PodAnswer:
    """What the API server said, in our words and in its own."""

    outcome: AnswerOutcome
    policy: str = ""
    """The policy of ours that refused, warned, erred or did not answer; of a native policy the binding."""
    message: str = ""
    raw: str = ""
    """The server's text, unchanged; the warnings, one a line, when the pod was admitted."""


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of a policy about an object."""

    policy: str
    """Of a native policy the binding."""
    message: str
    error: bool
    """The policy could not judge."""
    rule: str = ""
    """As sent, with its prefix where Kyverno derived it; only a ClusterPolicy has rules."""


_WEBHOOK = re.compile(r'webhook "([^"]+)"')
_OWN_WEBHOOK = re.compile(r"-finegrained-(.+)$")
_UNREACHED = re.compile(r"failed (?:calling|to call) webhook", re.IGNORECASE)
# ValidatingPolicy; several sentences are joined with "; ".
_SENTENCE = r"Policy (\S+) (failed|error): "
_CEL_SENTENCE = re.compile(
    rf"(?:^|; |denied the request:\s+){_SENTENCE}(.*?)(?=; {_SENTENCE}|$)", re.DOTALL
)
# The API server's own. The binding's name tells what denies from what audits; only a configuration error has none.
_NATIVE = r"ValidatingAdmissionPolicy '([^']+)'(?: with binding '([^']*)')?"
_NATIVE_DENIAL = re.compile(
    rf'^(?:\S+ (?:"[^"]*" )?is forbidden: )?{_NATIVE} denied request: (.*)$', re.DOTALL
)
_NATIVE_WARNING = re.compile(rf"^Validation failed for {_NATIVE}: (.*)$", re.DOTALL)
_NATIVE_ERROR = re.compile(
    r"^\[?expression '.*resulted in error|^(?:compilation|composited variable|error|failed to|failed messageExpression"
    r"|validation failed due to)\b",
    re.DOTALL,
)
# ClusterPolicy: a denial ends in YAML, policy over rule over message.
_BLOCKED = re.compile(r"was blocked due to the following policies\s+")
_RULE_WARNING = re.compile(r"^policy (\S+)\.([^.\s]+): (.*)$", re.DOTALL)
# A ClusterPolicy reports what it could not evaluate as a failure, with one of these as its message.
_RULE_ERROR = re.compile(r"resulted in error|^(?:error|failed to) ", re.IGNORECASE)


def read_answer(
    *,
    policies: Collection[str],
    warnings: Sequence[str],
    rejected_by: str = "",
    raw: str = "",
    engine_down: bool = False,
) -> PodAnswer:
    """Tell what became of a dry-run pod, as far as these policies are concerned.

    `rejected_by` is the name of the webhook or native policy as far as it is known, `raw` the whole text of the refusal; both are
    empty when the pod was admitted.
    """
    webhook = rejected_by or webhook_of(raw)
    if engine_down or _UNREACHED.search(raw):
        owner = owner_of(webhook)
        return PodAnswer(
            outcome=AnswerOutcome.ENGINE_DOWN,
            policy=owner if owner in policies else "",
            message=raw,
            raw=raw,
        )
    if webhook or raw:
        return _refusal(policies, webhook, raw)
    return _admission(policies, warnings)


def sentences(raw: str) -> tuple[Said, ...]:
    """Give what each policy says in a refusal, whosever policy it is; nothing where a webhook refused that is not Kyverno's."""
    if found := _NATIVE_DENIAL.match(raw):
        return (_native_said(found),)
    webhook = webhook_of(raw)
    if "kyverno.svc" not in webhook:
        return ()
    owner = owner_of(webhook)
    said = (*_cel_sentences(raw), *_blocked_rules(raw))
    return tuple(each for each in said if owner in ("", each.policy))


def _refusal(policies: Collection[str], webhook: str, raw: str) -> PodAnswer:
    other = PodAnswer(AnswerOutcome.REFUSED_BY_OTHER, message=raw.strip(), raw=raw)
    if found := _NATIVE_DENIAL.match(raw):
        said = [s for s in (_native_said(found),) if {s.policy, found[1]} <= set(policies)]
        return _worst(said, AnswerOutcome.REFUSED, raw) or other
    owner = owner_of(webhook)
    if "kyverno.svc" not in webhook or (owner and owner not in policies):
        return other
    said = [s for s in (*_cel_sentences(raw), *_blocked_rules(raw)) if s.policy in policies]
    return _worst(said, AnswerOutcome.REFUSED, raw) or other


def _admission(policies: Collection[str], warnings: Sequence[str]) -> PodAnswer:
    raw = "\n".join(warnings)
    said = [s for text in warnings for s in _warned(text) if s.policy in policies]
    return _worst(said, AnswerOutcome.WARNED, raw) or PodAnswer(AnswerOutcome.ADMITTED, raw=raw)


def _worst(said: Sequence[Said], failed: AnswerOutcome, raw: str) -> PodAnswer | None:
    """Prefer a sentence that judges the pod; an error counts when there is nothing else."""
    for sentence in sorted(said, key=lambda s: s.error):
        outcome = AnswerOutcome.POLICY_ERROR if sentence.error else failed
        return PodAnswer(outcome, policy=sentence.policy, message=sentence.message, raw=raw)
    return None


def webhook_of(raw: str) -> str:
    """Name the webhook that a text is from; empty when it names none."""
    found = _WEBHOOK.search(raw)
    return found.group(1) if found else ""


def owner_of(webhook: str) -> str:
    """Name the policy whose own webhook this is; empty for a webhook that policies share."""
    found = _OWN_WEBHOOK.search(webhook)
    return found.group(1) if found else ""


def _cel_sentences(text: str) -> Iterator[Said]:
    for found in _CEL_SENTENCE.finditer(text):
        policy, verdict, message = found.group(1, 2, 3)
        yield Said(policy, message.strip(), error=verdict == "error")


def _blocked_rules(text: str) -> Iterator[Said]:
    found = _BLOCKED.search(text)
    if found is None:
        return
    try:
        blocked = yaml.safe_load(text[found.end() :])
    except yaml.YAMLError:
        return
    for policy, rules in blocked.items() if isinstance(blocked, dict) else ():
        for rule, message in rules.items() if isinstance(rules, dict) else ():
            if isinstance(message, str):
                yield _rule_said(str(policy), message, str(rule))


def _warned(text: str) -> Iterator[Said]:
    yield from _cel_sentences(text)
    if found := _NATIVE_WARNING.match(text):
        yield _native_said(found)
    if found := _RULE_WARNING.match(text):
        yield _rule_said(found.group(1), found.group(3), found.group(2))


def _native_said(found: re.Match[str]) -> Said:
    policy, binding, message = found.groups()
    return Said(binding or policy, message.strip(), error=_NATIVE_ERROR.search(message) is not None)


def _rule_said(policy: str, message: str, rule: str) -> Said:
    text = message.strip()
    return Said(policy, text, error=_RULE_ERROR.search(text) is not None, rule=rule)
