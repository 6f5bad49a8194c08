"""Results of a PolicyReport."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from policies.domain.objects import PolicyReport
from policies.domain.reports import MalformedReport, Outcome
from tests.reports import read_results

SCOPE = {"kind": "Deployment", "name": "web", "namespace": "team-a", "uid": "u-1"}


def report(*results: dict[str, Any], **changes: Any) -> PolicyReport:
    values = {
        "metadata": {"name": "u-1", "namespace": "team-a"},
        "scope": SCOPE,
        "results": results,
    }
    return msgspec.convert(values | changes, type=PolicyReport)


def result(**changes: Any) -> dict[str, Any]:
    return {"policy": "seccomp", "rule": "require-seccomp", "result": "fail"} | changes


def test_read_results_gives_rule_object_time_and_source() -> None:
    (read,) = read_results(
        report(result(source="kyverno", message="no", timestamp={"seconds": 1700000000}))
    )

    assert (read.source, read.policy, read.outcome) == ("kyverno", "seccomp", Outcome.FAIL)
    assert (read.kind, read.namespace, read.name, read.uid) == (
        "Deployment",
        "team-a",
        "web",
        "u-1",
    )
    assert read.at == datetime.fromtimestamp(1700000000, tz=UTC)
    assert read.message == "no"


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("require-seccomp", "require-seccomp"),
        ("autogen-require-seccomp", "require-seccomp"),
        ("autogen-cronjob-require-seccomp", "require-seccomp"),
        ("cronjob-limits", "cronjob-limits"),
        ("", ""),
    ],
)
def test_read_results_folds_derived_rules(raw: str, folded: str) -> None:
    (read,) = read_results(report(result(rule=raw)))

    assert (read.rule, read.raw_rule) == (folded, raw)


@pytest.mark.parametrize("word", Outcome)
def test_read_results_knows_every_outcome(word: Outcome) -> None:
    assert read_results(report(result(result=str(word))))[0].outcome is word


@pytest.mark.parametrize(
    "odd",
    [
        {"result": ""},
        {"result": "Fail"},
        {"result": "maybe"},
        {"timestamp": {"seconds": 10**18}},
        {"timestamp": {"seconds": -(10**18)}},
    ],
)
def test_read_results_odd_outcome_or_time_is_malformed(odd: dict[str, Any]) -> None:
    with pytest.raises(MalformedReport):
        read_results(report(result(**odd)))


@pytest.mark.parametrize("timestamp", [None, {"seconds": 0}, {}])
def test_read_results_without_time_says_so(timestamp: dict[str, int] | None) -> None:
    assert read_results(report(result(timestamp=timestamp)))[0].at is None


def test_read_results_without_scope_keeps_the_namespace() -> None:
    (read,) = read_results(report(result(), scope=None))

    assert (read.kind, read.namespace, read.uid) == ("", "team-a", "")


def test_read_results_of_an_empty_report_is_empty() -> None:
    assert read_results(report(results=None)) == ()


@pytest.mark.parametrize(
    ("result", "message", "properties", "exceptions"),
    [
        # As Kyverno writes it for a ClusterPolicy, without a space, and for a ValidatingPolicy.
        (
            "skip",
            "rule is skipped due to policy exceptionskyverno/a, kyverno/b",
            {"exceptions": "a,b"},
            ("a", "b"),
        ),
        ("skip", "rule is skipped due to policy exception: kyverno/a", {"exceptions": "a"}, ("a",)),
        ("skip", "rule is skipped due to policy exception: kyverno/a", None, ()),
        ("skip", "cel preconditions not met", {"process": "background scan"}, ()),
        ("skip", "cel preconditions not met", {"exceptions": "a"}, ()),
        ("pass", "rule is passed due to policy exception: kyverno/a", {"exceptions": "a"}, ()),
    ],
)
def test_skips_by_exception_are_told_from_others(
    result: str, message: str, properties: dict[str, str] | None, exceptions: tuple[str, ...]
) -> None:
    entry = {"policy": "p", "result": result, "message": message, "properties": properties}
    report = msgspec.convert({"metadata": {}, "results": [entry]}, PolicyReport)

    (read,) = read_results(report)

    assert read.exceptions == exceptions
