"""What an API server answers, told apart by cause. The texts are those that were seen (V10, 6.9 to 6.14)."""

import json

import pytest

from policies.cluster import errors
from policies.cluster.refusals import refusal

SHARED = "validate.kyverno.svc-fail"
OWN = "validate.kyverno.svc-fail-finegrained-seccomp-enforce"
VPOL = "vpol.validate.kyverno.svc-fail-finegrained-seccomp-enforce"
CPOL_TEXT = (
    'admission webhook "{}" denied the request: \n\nresource Pod/team-a/bad was blocked due to the following'
    " policies \n\nseccomp-enforce:\n  require-seccomp: 'Set seccompProfile.'\n"
)
VPOL_TEXT = 'admission webhook "{}" denied the request: Policy seccomp-enforce failed: Set it.'
VPOL_ERROR = 'admission webhook "{}" denied the request: Policy seccomp-enforce error: no such key'
NATIVE = (
    "pods \"bad\" is forbidden: ValidatingAdmissionPolicy 'seccomp' with binding 'seccomp-team-a'"
    " denied request: Set seccompProfile."
)
BARE_NATIVE = NATIVE.partition("forbidden: ")[2]
POD_SECURITY = (
    'pods "bad" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    ' (container "app" must set securityContext.allowPrivilegeEscalation=false)'
)
QUOTA = 'pods "bad" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5'
LIMITS = 'pods "bad" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
TERMINATING = 'pods "bad" is forbidden: unable to create new content in namespace a because it is being terminated'
ROLE = (
    'pods is forbidden: User "system:serviceaccount:secprof:viewer" cannot create resource "pods" in API'
    ' group "" in the namespace "team-a"'
)
NAMED_ROLE = (
    'clusterpolicies.kyverno.io "x" is forbidden: User "viewer" cannot get resource "clusterpolicies" in'
    ' API group "kyverno.io" at the cluster scope'
)
PATH = 'forbidden: User "system:anonymous" cannot get path "/version"'
DOWN = (
    'Internal error occurred: failed calling webhook "{}": failed to call webhook: Post'
    ' "https://127.0.0.1:9443/validate/fail?timeout=10s": dial tcp 127.0.0.1:9443: connect: connection refused'
)
HUNG = (
    'Internal error occurred: failed calling webhook "{}": failed to call webhook: Post'
    ' "https://127.0.0.1:9443/validate/fail?timeout=10s": context deadline exceeded'
)


def answered(status: int, message: str, **more: object) -> errors.ClusterError:
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status} | more
    return refusal(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "text", "webhook"),
    [
        (400, CPOL_TEXT.format(SHARED), SHARED),
        (400, CPOL_TEXT.format(OWN), OWN),
        (400, VPOL_TEXT.format(VPOL), VPOL),
        (400, VPOL_ERROR.format(VPOL), VPOL),
        (403, CPOL_TEXT.format(SHARED), SHARED),
        (422, VPOL_TEXT.format("another.example"), "another.example"),
        (500, 'admission webhook "odd.example" denied the request: mine', "odd.example"),
        (400, 'admission webhook "a.example" denied the request without explanation', "a.example"),
        (422, NATIVE, "seccomp"),
        (422, BARE_NATIVE, "seccomp"),
        (422, NATIVE.replace(" with binding 'seccomp-team-a'", ""), "seccomp"),
        (403, NATIVE, "seccomp"),
        (401, BARE_NATIVE, "seccomp"),
        (403, POD_SECURITY, ""),
        (403, QUOTA, ""),
        (403, LIMITS, ""),
        (403, TERMINATING, ""),
    ],
)
def test_refusal_by_admission_names_who_and_keeps_the_text(
    status: int, text: str, webhook: str
) -> None:
    error = answered(status, text)

    assert isinstance(error, errors.RejectedByAdmission)
    assert (error.webhook, error.raw, error.status) == (webhook, text, status)
    assert error.message.endswith(".")
    assert "\n" not in error.message


@pytest.mark.parametrize("text", [ROLE, NAMED_ROLE, PATH, ""])
def test_refusal_by_the_authorizer_is_forbidden(text: str) -> None:
    error = answered(403, text)

    assert isinstance(error, errors.Forbidden)
    assert text in error.message


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (500, DOWN.format(OWN), "could not be called"),
        (500, HUNG.format(OWN), "did not answer in time"),
        (504, HUNG.format(OWN), "did not answer in time"),
    ],
)
def test_refusal_for_want_of_the_webhook_is_engine_down(status: int, text: str, words: str) -> None:
    error = answered(status, text)

    assert isinstance(error, errors.EngineDown)
    assert (error.webhook, error.status) == (OWN, status)
    assert words in error.message


def test_refusal_quoting_another_cause_is_read_by_what_stands_first() -> None:
    quoting = VPOL_TEXT.format(VPOL) + " " + DOWN.format("other.example")
    quoted = DOWN.format("other.example") + " " + VPOL_TEXT.format(VPOL)
    claiming = f'{NATIVE} User "x" cannot create resource'

    assert isinstance(answered(400, quoting), errors.RejectedByAdmission)
    assert isinstance(answered(500, quoted), errors.EngineDown)
    assert isinstance(answered(403, claiming), errors.RejectedByAdmission)


def test_refusal_400_that_only_speaks_of_a_webhook_call_is_not_engine_down() -> None:
    assert isinstance(answered(400, DOWN.format(OWN)), errors.Invalid)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, errors.Malformed),
        (304, errors.Malformed),
        (101, errors.Malformed),
        (400, errors.Invalid),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.Invalid),
        (409, errors.Conflict),
        (410, errors.Gone),
        (413, errors.Invalid),
        (422, errors.Invalid),
        (429, errors.Throttled),
        (500, errors.ServerFailed),
        (502, errors.ServerFailed),
        (503, errors.ServerFailed),
        (504, errors.TimedOut),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"message": "why"}', b"[]", b"\xff"])
def test_refusal_by_status_has_its_own_class(
    status: int, expected: type[errors.ClusterError], body: bytes
) -> None:
    error = refusal(status, body)

    assert type(error) is expected
    assert error.status == status
    assert error.message.endswith((".", "?"))
    assert "<html>" not in error.message


def test_refusal_text_is_shown_on_one_line_and_cut() -> None:
    error = answered(409, "the object\n has   been modified; " + "x" * 5000)

    assert "the object has been modified; xxx" in error.message
    assert len(error.message) < 500


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", {}, 7.0),
        ("", {"retryAfterSeconds": 3}, 3.0),
        ("2", {"retryAfterSeconds": 3}, 2.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {}, None),
        ("", {}, None),
    ],
)
def test_refusal_throttled_says_how_long(
    header: str, details: dict[str, int], seconds: float | None
) -> None:
    body = json.dumps({"message": "slow down", "details": details}).encode()

    error = refusal(429, body, retry_after=header)

    assert isinstance(error, errors.Throttled)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "shop"',
            "The credential may not create pods; the manifests in deploy/rbac grant it: pods is forbidden",
        ),
        (
            'x is forbidden: User "u" cannot list resource "deployments" in API group "apps" at the cluster scope',
            "The credential may not list deployments.apps; ",
        ),
        ('forbidden: User "u" cannot get path "/version"', "The credential may not do this: "),
        ("no", "The credential may not do this: no."),
    ],
)
def test_refusal_by_the_authorizer_names_the_missing_right(text: str, words: str) -> None:
    error = refusal(403, json.dumps({"message": text}).encode())

    assert isinstance(error, errors.Forbidden)
    assert error.message.startswith(words)
