"""What keeps results out of reports, by the engine's flags; unknown flags count as a limit."""

from datetime import timedelta

import pytest

from policies.domain.engine_settings import EngineSettings
from policies.domain.engines import Component, ControllerSettings, Version
from policies.domain.report_limits import Limit, read_duration, report_limits, scan_interval


def reports(
    *, version: Version | None = (1, 19, 1), replicas: int | None = 1, **flags: str
) -> EngineSettings:
    stated = {f"--{name}": value for name, value in flags.items()}
    controller = ControllerSettings(
        Component.REPORTS, "kyverno", "r", version, stated, replicas=replicas
    )
    admission = ControllerSettings(Component.ADMISSION, "kyverno", "a", version, {})
    return EngineSettings(controllers=(admission, controller))


def limits(settings: EngineSettings) -> list[Limit]:
    return [each.limit for each in report_limits(settings)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (reports(), []),
        (EngineSettings(), [Limit.UNREAD]),
        (
            EngineSettings(
                controllers=(ControllerSettings(Component.ADMISSION, "k", "a", None, {}),)
            ),
            [Limit.NO_CONTROLLER],
        ),
        (reports(replicas=0), [Limit.SCALED_DOWN]),
        (reports(replicas=None), []),
        (reports(backgroundScan="false"), [Limit.NO_SCAN]),
        (reports(backgroundScan="$(SCAN)"), [Limit.NO_SCAN]),
        (reports(policyReports="0"), [Limit.NO_REPORTS]),
        (reports(aggregateReports="false"), [Limit.NO_REPORTS]),
        (reports(enableReporting="mutate,generate"), [Limit.NO_VALIDATION]),
        (reports(enableReporting="validate,mutate"), []),
        (reports(allowedResults="fail,error"), [Limit.RESULTS_LEFT_OUT]),
        (reports(allowedResults="fail", version=None), [Limit.RESULTS_LEFT_OUT]),
        (reports(allowedResults="fail", version=(1, 16, 0)), []),
        (reports(openreportsEnabled="true"), [Limit.OTHER_GROUP]),
        (reports(openreportsEnabled="true", version=(1, 14, 0)), []),
        (reports(admissionReports="false"), [Limit.NO_ADMISSION]),
        (reports(backgroundScanInterval="30m"), []),
        (reports(backgroundScanInterval="2h"), [Limit.INTERVAL]),
        (reports(backgroundScanInterval="often"), [Limit.INTERVAL]),
    ],
)
def test_reports_are_limited_by(settings: EngineSettings, expected: list[Limit]) -> None:
    assert limits(settings) == expected


def test_flags_that_could_not_be_read_are_a_limit() -> None:
    controller = ControllerSettings(Component.REPORTS, "k", "r", (1, 19, 1), None)

    (reason,) = report_limits(EngineSettings(controllers=(controller,)))

    assert reason.limit is Limit.UNREAD
    assert reason.hides_failures


@pytest.mark.parametrize(
    ("left", "hides"), [("pass,fail,error,warn", False), ("pass,error,warn,skip", True)]
)
def test_left_out_results_hide_failures_when_it_is_those(left: str, hides: bool) -> None:
    (reason,) = report_limits(reports(allowedResults=left))

    assert reason.hides_failures is hides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("", None),
        ("1", None),
        ("1h ago", None),
        ("9" * 400 + "h", None),
    ],
)
def test_duration_is_read_as_go_writes_it(text: str, expected: timedelta | None) -> None:
    assert read_duration(text) == expected


def test_scan_interval_is_an_hour_unless_stated_and_unknown_without_controller() -> None:
    assert scan_interval(reports()) == timedelta(hours=1)
    assert scan_interval(reports(backgroundScanInterval="15m")) == timedelta(minutes=15)
    assert scan_interval(reports(backgroundScanInterval="$(X)")) is None
    assert scan_interval(EngineSettings()) is None
