"""Why reports may be incomplete by the engine's own settings: then the absence of a failing result says nothing.

Whether reports are fresh is another question; it is asked of their times.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from policies.domain.engine_settings import EngineSettings
from policies.domain.engines import Component, ControllerSettings

USUAL_INTERVAL = timedelta(hours=1)
_RESULTS = ("pass", "fail", "error", "warn", "skip")
_ALLOWED_SINCE = (1, 17, 0)
_OPENREPORTS_SINCE = (1, 15, 0)


class Limit(StrEnum):
    """What keeps results out of the reports that secprof reads."""

    NO_CONTROLLER = "no-reports-controller"
    SCALED_DOWN = "reports-controller-scaled-down"
    UNREAD = "flags-not-read"
    NO_SCAN = "background-scan-off"
    NO_REPORTS = "policy-reports-off"
    NO_VALIDATION = "validation-not-reported"
    RESULTS_LEFT_OUT = "results-left-out"
    NO_ADMISSION = "admission-reports-off"
    OTHER_GROUP = "openreports"
    INTERVAL = "scan-interval"


@dataclass(frozen=True, slots=True)
class Reason:
    """One limit of the reports."""

    limit: Limit
    sentence: str
    hides_failures: bool
    """A workload may fail, or may never have been judged, and no report says so; None of it is proof of the good."""


def report_limits(settings: EngineSettings) -> tuple[Reason, ...]:
    """Name everything by which reports may be incomplete. Unknown flags count as a limit."""
    controller = settings.of(Component.REPORTS)
    if not settings.controllers:
        return (
            Reason(
                Limit.UNREAD, "Kyverno's controllers are not known, nor what they report.", True
            ),
        )
    if controller is None:
        return (
            Reason(
                Limit.NO_CONTROLLER,
                "The reports controller was not found: nobody writes or renews reports.",
                True,
            ),
        )
    return (*_of_deployment(controller), *_of_flags(controller), *_of_admission(settings))


def scan_interval(settings: EngineSettings) -> timedelta | None:
    """Give the time between two full scans; None when it cannot be read."""
    controller = settings.of(Component.REPORTS)
    if controller is None:
        return None
    stated = controller.flag("--backgroundScanInterval", "1h")
    return None if stated is None else read_duration(stated)


def read_duration(text: str) -> timedelta | None:
    """Read a duration as Go writes it: `1h`, `30m`, `1h30m`, `90s`; None for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    try:
        return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())
    except OverflowError:
        return None


_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def _of_deployment(controller: ControllerSettings) -> Iterator[Reason]:
    if controller.replicas == 0:
        yield Reason(
            Limit.SCALED_DOWN,
            "The reports controller is scaled to zero: nobody writes or renews reports.",
            True,
        )
    if controller.flags is None:
        yield Reason(Limit.UNREAD, "The flags of the reports controller could not be read.", True)


def _of_flags(controller: ControllerSettings) -> Iterator[Reason]:
    if controller.flags is None:
        return
    if controller.is_on("--backgroundScan", default=True) is not True:
        yield Reason(
            Limit.NO_SCAN,
            "Background scans are off: reports tell of requests alone, and never of what ran before a policy.",
            True,
        )
    for flag in ("--policyReports", "--aggregateReports"):
        if controller.is_on(flag, default=True) is not True:
            yield Reason(Limit.NO_REPORTS, f"{flag} is off: no PolicyReport is written.", True)
    reported = controller.flag("--enableReporting", "validate")
    if reported is None or "validate" not in _words(reported):
        yield Reason(
            Limit.NO_VALIDATION,
            "--enableReporting leaves validation out: no result of a policy is reported.",
            True,
        )
    yield from _results_left_out(controller)
    yield from _other_group(controller)
    interval = scan_interval(EngineSettings(controllers=(controller,)))
    if interval is None or interval > USUAL_INTERVAL:
        stated = controller.flag("--backgroundScanInterval", "1h") or "unknown"
        yield Reason(
            Limit.INTERVAL,
            f"A full scan comes every {stated}: results of what did not change may be that old.",
            False,
        )


def _results_left_out(controller: ControllerSettings) -> Iterator[Reason]:
    stated = controller.flag("--allowedResults", ",".join(_RESULTS))
    if controller.version is not None and controller.version < _ALLOWED_SINCE:
        return  # the flag does not exist there, and would keep Kyverno from starting
    missing = [each for each in _RESULTS if stated is None or each not in _words(stated)]
    if missing:
        yield Reason(
            Limit.RESULTS_LEFT_OUT,
            f"--allowedResults leaves out {', '.join(missing)}: no such result does not mean that there was none.",
            bool({"fail", "error", "pass"} & set(missing)),
        )


def _other_group(controller: ControllerSettings) -> Iterator[Reason]:
    if controller.version is not None and controller.version < _OPENREPORTS_SINCE:
        return
    if controller.is_on("--openreportsEnabled", default=False) is not False:
        yield Reason(
            Limit.OTHER_GROUP,
            "--openreportsEnabled: reports come in openreports.io; those of wgpolicyk8s.io, if any, are left from before.",
            False,
        )


def _of_admission(settings: EngineSettings) -> Iterator[Reason]:
    """Tell what is missing until the next scan."""
    for component in (Component.ADMISSION, Component.REPORTS):
        controller = settings.of(component)
        if controller is None or controller.flags is None:
            continue
        if controller.is_on("--admissionReports", default=True) is not True:
            yield Reason(
                Limit.NO_ADMISSION,
                "Admission reports are off: what was just created is reported by the next scan.",
                False,
            )
            return


def _words(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))
