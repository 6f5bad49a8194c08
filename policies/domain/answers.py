"""Reads what the API server said to a dry-run pod: who refused it, who warned, or that nobody could say.

Only a refusal by one of our policies counts as one; whatever is not understood is somebody else's.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


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
    """The policy of ours that refused, warned, erred or did not answer."""
    message: str = ""
    raw: str = ""
    """The server's text, unchanged; the warnings, one a line, when the pod was admitted."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One sentence of a policy about the pod."""

    policy: str
    message: str
    error: bool


_WEBHOOK = re.compile(r'webhook "([^"]+)"')
_OWN_WEBHOOK = re.compile(r"-finegrained-(.+)$")
_UNREACHED = re.compile(r"failed (?:calling|to call) webhook", re.IGNORECASE)
# ValidatingPolicy: several are joined with "; ".
_CEL_SENTENCE = re.compile(
    r"(?:^|;\s+|denied the request:\s*)Policy (\S+) (failed|error): (.*?)(?=;\s+Policy \S+ (?:failed|error): |$)",
    re.DOTALL,
)
# ClusterPolicy: a denial is a YAML mapping of policies to rules to messages.
_BLOCKED = re.compile(r"blocked due to the following policies")
_BLOCK_POLICY = re.compile(r"^(\S+):\s*$")
_BLOCK_RULE = re.compile(r"^\s+(\S+): (.*)$")
_RULE_WARNING = re.compile(r"^policy ([a-z0-9]\S*?)\.(\S+): (.*)$", re.DOTALL)
_RULE_ERROR = re.compile(
    r"resulted in error|no such key|no such overload|failed to evaluate|cel\b.*\berror|expression '.*' error"
)


def read_answer(
    *,
    policies: Collection[str],
    warnings: Sequence[str],
    rejected_by: str = "",
    raw: str = "",
    engine_down: bool = False,
) -> PodAnswer:
    """Tell what became of a dry-run pod, as far as these policies are concerned.

    `rejected_by` is the webhook's name as far as it is known, `raw` the whole text of the refusal; both are
    empty when the pod was admitted.
    """
    webhook = rejected_by or _webhook(raw)
    if engine_down or _UNREACHED.search(raw):
        owner = _owner(webhook)
        return PodAnswer(
            outcome=AnswerOutcome.ENGINE_DOWN,
            policy=owner if owner in policies else "",
            message=raw,
            raw=raw,
        )
    if webhook or raw:
        return _refusal(policies, webhook, raw)
    return _admission(policies, warnings)


def _refusal(policies: Collection[str], webhook: str, raw: str) -> PodAnswer:
    other = PodAnswer(AnswerOutcome.REFUSED_BY_OTHER, message=raw.strip(), raw=raw)
    owner = _owner(webhook)
    if "kyverno.svc" not in webhook or (owner and owner not in policies):
        return other
    said = [s for s in (*_cel_sentences(raw), *_blocked_rules(raw)) if s.policy in policies]
    return _worst(said, AnswerOutcome.REFUSED, raw) or other


def _admission(policies: Collection[str], warnings: Sequence[str]) -> PodAnswer:
    raw = "\n".join(warnings)
    said = [s for text in warnings for s in _warned(text) if s.policy in policies]
    return _worst(said, AnswerOutcome.WARNED, raw) or PodAnswer(AnswerOutcome.ADMITTED, raw=raw)


def _worst(said: Sequence[_Said], failed: AnswerOutcome, raw: str) -> PodAnswer | None:
    """Prefer a sentence that judges the pod; an error counts when there is nothing else."""
    for sentence in sorted(said, key=lambda s: s.error):
        outcome = AnswerOutcome.POLICY_ERROR if sentence.error else failed
        return PodAnswer(outcome, policy=sentence.policy, message=sentence.message, raw=raw)
    return None


def _webhook(raw: str) -> str:
    found = _WEBHOOK.search(raw)
    return found.group(1) if found else ""


def _owner(webhook: str) -> str:
    """Name the policy whose own webhook this is; empty for a webhook that policies share."""
    found = _OWN_WEBHOOK.search(webhook)
    return found.group(1) if found else ""


def _cel_sentences(text: str) -> Iterator[_Said]:
    for policy, verdict, message in _CEL_SENTENCE.findall(text):
        yield _Said(policy, message.strip(), error=verdict == "error")


def _blocked_rules(text: str) -> Iterator[_Said]:
    found = _BLOCKED.search(text)
    policy = ""
    for line in text[found.end() :].splitlines() if found else ():
        if heading := _BLOCK_POLICY.match(line):
            policy = heading.group(1)
        elif rule := _BLOCK_RULE.match(line):
            message = rule.group(2).strip().strip("'\"")
            yield _Said(policy, message, error=_RULE_ERROR.search(message) is not None)


def _warned(text: str) -> Iterator[_Said]:
    yield from _cel_sentences(text)
    if rule := _RULE_WARNING.match(text):
        message = rule.group(3).strip()
        yield _Said(rule.group(1), message, error=_RULE_ERROR.search(message) is not None)
