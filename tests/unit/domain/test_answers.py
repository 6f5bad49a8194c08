"""What the API server says to a dry-run pod, in the words of each engine and each version."""

import pytest

from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer

OURS = ("seccomp", "seccomp-enforce")
REFUSED, OTHER = AnswerOutcome.REFUSED, AnswerOutcome.REFUSED_BY_OTHER
CPOL_HOOK = "validate.kyverno.svc-fail-finegrained-seccomp-enforce"
VPOL_HOOK = "vpol.validate.kyverno.svc-fail-finegrained-seccomp-enforce"


def denied(webhook: str, text: str) -> str:
    return f'admission webhook "{webhook}" denied the request: {text}'


def blocked(yaml: str) -> str:
    return f"\n\nresource Pod/a/p was blocked due to the following policies \n\n{yaml}"


def read(raw: str = "", *warnings: str, **more: object) -> PodAnswer:
    return read_answer(policies=OURS, warnings=warnings, raw=raw, **more)


RULES = "seccomp-enforce:\n  deny-unconfined-seccomp: 'Set it: now.'\n  require-seccomp: Set.\n"
FOLDED = "seccomp-enforce:\n  require-seccomp: 'Set it: to\n    RuntimeDefault.'\n"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (denied(VPOL_HOOK, "Policy seccomp-enforce failed: Set it."), "Set it."),
        (denied(CPOL_HOOK, blocked(RULES)), "Set it: now."),
        (denied(CPOL_HOOK, blocked(FOLDED)), "Set it: to RuntimeDefault."),
        (denied("validate.kyverno.svc-fail", blocked(RULES)), "Set it: now."),
        (
            denied(
                "vpol.validate.kyverno.svc-fail-0a1b2c3d",
                "Policy theirs failed: no; really; Policy seccomp-enforce failed: Set it.",
            ),
            "Set it.",
        ),
        (
            denied(
                "vpol.validate.kyverno.svc-fail",
                "Policy seccomp error: no such key; Policy seccomp-enforce failed: Set it.",
            ),
            "Set it.",
        ),
    ],
)
def test_read_answer_refusal_by_our_policy_is_refused(raw: str, message: str) -> None:
    answer = read(raw)

    assert (answer.outcome, answer.policy) == (REFUSED, "seccomp-enforce")
    assert answer.message == message
    assert answer.raw == raw


@pytest.mark.parametrize(
    "raw",
    [
        denied("validate.kyverno.svc-fail-finegrained-theirs", blocked("theirs:\n  r: no\n")),
        denied("vpol.validate.kyverno.svc-fail", "Policy theirs failed: no"),
        # Their message quotes ours; their webhook is their own.
        denied(
            "vpol.validate.kyverno.svc-fail-finegrained-theirs",
            "Policy theirs failed: x; Policy seccomp-enforce failed: y",
        ),
        denied(
            "vpol.validate.kyverno.svc-fail", "Policy theirs failed: as Policy seccomp failed: y"
        ),
        denied("gate.example.org", "Policy seccomp-enforce failed: Set it."),
        denied("validate.kyverno.svc-fail", "Policy seccomp-enforce errored"),
        denied("validate.kyverno.svc-fail", blocked("seccomp-enforce: [odd\n")),
        denied("validate.kyverno.svc-fail", blocked("seccomp-enforce: odd\n")),
        denied("validate.kyverno.svc-fail", blocked("seccomp-enforce:\n  r: [odd]\n")),
        denied("vpol.validate.kyverno.svc-fail", "Policy theirs error: no such key"),
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": seccompProfile',
        'pods "p" is forbidden: exceeded quota: compute, requested: pods=1',
        "ValidatingAdmissionPolicy 'seccomp' with binding 'b' denied request: no",
        "ValidatingAdmissionPolicy 'theirs' with binding 'theirs-enforce' denied request: no",
        denied(
            "theirs.example.org",
            "ValidatingAdmissionPolicy 'seccomp' with binding 'seccomp-enforce' denied request: no",
        ),
    ],
)
def test_read_answer_refusal_by_anything_else_is_not_ours(raw: str) -> None:
    answer = read(raw)

    assert (answer.outcome, answer.policy) == (OTHER, "")
    assert answer.message


NATIVE = "ValidatingAdmissionPolicy 'seccomp' with binding 'seccomp-enforce'"


@pytest.mark.parametrize("lead", ["", 'pods "p" is forbidden: ', "deployments.apps is forbidden: "])
def test_read_answer_refusal_by_a_native_policy_names_the_binding(lead: str) -> None:
    answer = read(f"{lead}{NATIVE} denied request: Set it.", rejected_by="seccomp")

    assert (answer.outcome, answer.policy, answer.message) == (
        REFUSED,
        "seccomp-enforce",
        "Set it.",
    )


@pytest.mark.parametrize(
    "said",
    [
        "expression 'size(variables.x) == 0' resulted in error: no such key: spec",
        "[expression 'a' resulted in error: b, expression 'c' resulted in error: d]",
        "validation failed due to running out of cost budget, no further validation rules will be run",
        "failed messageExpression: out of budget",
        "compilation error: no such variable",
    ],
)
def test_read_answer_native_policy_that_erred_proves_nothing(said: str) -> None:
    refused = read(f'pods "p" is forbidden: {NATIVE} denied request: {said}')
    warned = read("", f"Validation failed for {NATIVE}: {said}")

    assert refused.outcome is warned.outcome is AnswerOutcome.POLICY_ERROR


def test_read_answer_native_policy_that_is_misconfigured_proves_nothing() -> None:
    answer = read(
        "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'seccomp' denied request:"
        " failed to configure policy: no such parameter"
    )

    assert (answer.outcome, answer.policy) == (AnswerOutcome.POLICY_ERROR, "seccomp")


def test_read_answer_warning_of_a_native_policy_names_the_binding() -> None:
    policies = ("seccomp", "seccomp-audit")
    text = "Validation failed for ValidatingAdmissionPolicy 'seccomp' with binding 'seccomp-audit': Set it."

    answer = read_answer(policies=policies, warnings=(text,))

    assert (answer.outcome, answer.policy) == (AnswerOutcome.WARNED, "seccomp-audit")
    assert answer.message == "Set it."


def test_read_answer_takes_the_webhook_from_its_argument() -> None:
    text = "Policy seccomp-enforce failed: Set it."

    assert read(text, rejected_by=VPOL_HOOK).outcome is REFUSED
    assert read(text, rejected_by="gate.example.org").outcome is OTHER
    assert read(rejected_by=VPOL_HOOK).outcome is OTHER


@pytest.mark.parametrize(
    "raw",
    [
        denied(VPOL_HOOK, "Policy seccomp-enforce error: no such key: spec"),
        denied(
            CPOL_HOOK,
            blocked(
                "seccomp-enforce:\n  require-seccomp: 'expression ''object.x'' resulted in error: no'\n"
            ),
        ),
    ],
)
def test_read_answer_error_of_our_policy_proves_nothing(raw: str) -> None:
    answer = read(raw)

    assert (answer.outcome, answer.policy) == (AnswerOutcome.POLICY_ERROR, "seccomp-enforce")


@pytest.mark.parametrize(
    ("warning", "outcome"),
    [
        ("Policy seccomp failed: Set it.", AnswerOutcome.WARNED),
        ("policy seccomp.require-seccomp: Set it.", AnswerOutcome.WARNED),
        ("policy seccomp.autogen-cronjob-require-seccomp: Set it.", AnswerOutcome.WARNED),
        ("Policy seccomp failed: " + "x" * 240, AnswerOutcome.WARNED),
        ("Policy seccomp error: no such key", AnswerOutcome.POLICY_ERROR),
        ("policy seccomp.r: expression 'x' resulted in error: y", AnswerOutcome.POLICY_ERROR),
        ("Policy theirs failed: no", AnswerOutcome.ADMITTED),
        ("policy seccomp-2.require-seccomp: no", AnswerOutcome.ADMITTED),
        ('would violate PodSecurity "restricted:latest"', AnswerOutcome.ADMITTED),
    ],
)
def test_read_answer_admission_is_warned_only_by_our_policy(
    warning: str, outcome: AnswerOutcome
) -> None:
    answer = read("", "spec.x: deprecated", warning)

    assert answer.outcome is outcome
    assert warning in answer.raw


def test_read_answer_without_warnings_is_admitted() -> None:
    assert read() == PodAnswer(AnswerOutcome.ADMITTED)


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        (f'failed calling webhook "{VPOL_HOOK}": context deadline exceeded', "seccomp-enforce"),
        (f'Internal error: failed to call webhook "{CPOL_HOOK}": refused', "seccomp-enforce"),
        ('failed calling webhook "gate.example.org": refused', ""),
    ],
)
def test_read_answer_unreached_webhook_is_engine_down(raw: str, policy: str) -> None:
    answer = read(raw)

    assert (answer.outcome, answer.policy) == (AnswerOutcome.ENGINE_DOWN, policy)


def test_read_answer_engine_down_as_the_gateway_says() -> None:
    assert read(engine_down=True).outcome is AnswerOutcome.ENGINE_DOWN
