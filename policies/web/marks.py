"""Word, shape and tone of every status: the only table of them. Tones and shapes are drawn by the style sheet."""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    GOOD = "good"
    MOTION = "motion"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Mark:
    """A status as it stands on a page."""

    word: str
    shape: str
    """Name of a symbol of the sprite."""
    tone: Tone


_TRENDS = {
    "not collected": Mark("Not collected", "question", Tone.UNKNOWN),
    "no results": Mark("No results", "question", Tone.UNKNOWN),
}
_CLOSINGS = {
    "fixed": Mark("Fixed", "check", Tone.GOOD),
    "exempted": Mark("Exempted", "diamond", Tone.PLAIN),
    "replaced": Mark("Replaced", "dash", Tone.PLAIN),
    "workload-gone": Mark("Workload gone", "dash", Tone.PLAIN),
    "policy-gone": Mark("Policy gone", "question", Tone.UNKNOWN),
    "unreported": Mark("No longer reported", "question", Tone.UNKNOWN),
}
_CELLS = {
    "enforced": Mark("Enforced", "full", Tone.GOOD),
    "rolling": Mark("Rolling out", "half", Tone.MOTION),
    "ready": Mark("Ready", "ring", Tone.MOTION),
    "audit": Mark("Audit", "ring", Tone.PLAIN),
    "blocked": Mark("Blocked", "triangle", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
    "unproven": Mark("Applied, not proven", "question", Tone.UNKNOWN),
    "lost": Mark("No longer enforced", "triangle", Tone.BAD),
    "system": Mark("Not judged", "dash", Tone.PLAIN),
    "not-enforceable": Mark("Not enforceable", "cross", Tone.PLAIN),
}
_GATES = {
    "pass": Mark("Pass", "check", Tone.GOOD),
    "fail": Mark("Fail", "triangle", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_CHECKS = {**_GATES, "not-run": Mark("Not run", "ring", Tone.PLAIN)}
_FLIPS = {
    "requested": Mark("Waits for a decision", "ring", Tone.WARN),
    "approved": Mark("Approved", "half", Tone.MOTION),
    "rolling": Mark("Rolling out", "half", Tone.MOTION),
    "proven": Mark("Proven", "full", Tone.GOOD),
    "failed": Mark("Failed", "triangle", Tone.BAD),
    "declined": Mark("Declined", "cross", Tone.PLAIN),
    "withdrawn": Mark("Withdrawn", "dash", Tone.PLAIN),
    "lapsed": Mark("Lapsed", "clock", Tone.PLAIN),
    "stale": Mark("Stale", "question", Tone.UNKNOWN),
    "superseded": Mark("Superseded", "dash", Tone.PLAIN),
}
_EXCEPTIONS = {
    "draft": Mark("Draft", "dash", Tone.PLAIN),
    "requested": Mark("Waits for a decision", "ring", Tone.WARN),
    "approved": Mark("Approved", "half", Tone.MOTION),
    "in-force": Mark("Exempt", "diamond", Tone.PLAIN),
    "failed": Mark("Failed", "triangle", Tone.BAD),
    "ending": Mark("Ending", "half", Tone.MOTION),
    "ended": Mark("Ended", "check", Tone.PLAIN),
    "declined": Mark("Declined", "cross", Tone.PLAIN),
    "withdrawn": Mark("Withdrawn", "dash", Tone.PLAIN),
    "lapsed": Mark("Lapsed", "clock", Tone.PLAIN),
    "inert": Mark("Inert", "question", Tone.UNKNOWN),
    "overdue": Mark("Overdue", "triangle", Tone.BAD),
    "soon": Mark("Ends soon", "clock", Tone.WARN),
}
_NEEDS = {
    "failing": Mark("Still needed", "triangle", Tone.WARN),
    "passing": Mark("Not needed now", "check", Tone.GOOD),
    "gone": Mark("Not there", "question", Tone.UNKNOWN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_FOREIGN = {
    "everything": Mark("Exempts everything", "triangle", Tone.BAD),
    "narrowed": Mark("Not ours", "diamond", Tone.WARN),
}
_ROLLOUTS = {
    "queued": Mark("Queued", "ring", Tone.MOTION),
    "running": Mark("Rolling out", "half", Tone.MOTION),
}
_STEPS = {
    "pending": Mark("Waiting", "ring", Tone.PLAIN),
    "running": Mark("Running", "half", Tone.MOTION),
    "done": Mark("Done", "check", Tone.GOOD),
    "failed": Mark("Failed", "triangle", Tone.BAD),
    "skipped": Mark("Skipped", "dash", Tone.PLAIN),
}
_RUNS = {
    "running": Mark("Running", "half", Tone.MOTION),
    "complete": Mark("Complete", "check", Tone.GOOD),
    "done": Mark("Done", "check", Tone.GOOD),
    "partial": Mark("Partial", "question", Tone.UNKNOWN),
    "failed": Mark("Failed", "triangle", Tone.BAD),
}
_CONTACTS = {
    "ok": Mark("Answering", "full", Tone.GOOD),
    "unknown": Mark("Not asked yet", "question", Tone.UNKNOWN),
    "unreachable": Mark("Unreachable", "triangle", Tone.BAD),
    "tls": Mark("Certificate not trusted", "triangle", Tone.BAD),
    "timed-out": Mark("No answer in time", "triangle", Tone.BAD),
    "unauthorized": Mark("Credential refused", "triangle", Tone.BAD),
    "forbidden": Mark("No permission", "triangle", Tone.BAD),
    "throttled": Mark("Throttled", "triangle", Tone.BAD),
    "malformed": Mark("Answer unreadable", "triangle", Tone.BAD),
    "server": Mark("Server failed", "triangle", Tone.BAD),
}
_ENGINES = {
    "up": Mark("Answering", "full", Tone.GOOD),
    "down": Mark("Engine down", "triangle", Tone.BAD),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_HAZARDS = {
    "danger": Mark("Danger", "triangle", Tone.WARN),
    "caution": Mark("Caution", "half", Tone.WARN),
    "note": Mark("Note", "ring", Tone.PLAIN),
    "possible": Mark("May apply", "question", Tone.UNKNOWN),
}
_EFFECTS = {
    "denies": Mark("Denies", "full", Tone.PLAIN),
    "audits": Mark("Audits", "ring", Tone.PLAIN),
    "nothing": Mark("No effect", "dash", Tone.PLAIN),
    "inconsistent": Mark("Inconsistent", "triangle", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_HEEDED = {
    "yes": Mark("Count", "check", Tone.GOOD),
    "no": Mark("Do nothing", "cross", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_RIGHTS = {
    "held": Mark("Held", "check", Tone.GOOD),
    "lacking": Mark("Not held", "triangle", Tone.WARN),
    "excess": Mark("More than it needs", "triangle", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
}
_STRIPS = {
    "complete": Mark("Complete", "full", Tone.GOOD),
    "partial": Mark("Partial", "question", Tone.UNKNOWN),
    "old": Mark("Old", "question", Tone.UNKNOWN),
    "never": Mark("Nothing collected", "question", Tone.UNKNOWN),
    "broken": Mark("No contact", "triangle", Tone.BAD),
}
_SNAPSHOTS = {
    "fresh": Mark("Complete", "check", Tone.GOOD),
    "old": Mark("Old", "question", Tone.UNKNOWN),
    "failed": Mark("Not read to the end", "question", Tone.UNKNOWN),
    "never": Mark("Never read", "question", Tone.UNKNOWN),
    "unserved": Mark("Not served here", "dash", Tone.PLAIN),
}
_OPINIONS = {
    "fail": Mark("Fails", "triangle", Tone.WARN),
    "warn": Mark("Warns", "triangle", Tone.WARN),
    "error": Mark("Error", "question", Tone.UNKNOWN),
    "skip": Mark("Skipped", "dash", Tone.PLAIN),
    "refused": Mark("Would be refused", "triangle", Tone.WARN),
    "admitted": Mark("Admitted", "check", Tone.GOOD),
    "unjudged": Mark("No verdict", "question", Tone.UNKNOWN),
    "none": Mark("Not asked", "dash", Tone.PLAIN),
    "quiet": Mark("No failing result", "dash", Tone.PLAIN),
    "pass": Mark("Passes", "check", Tone.GOOD),
    "inapplicable": Mark("Not applicable", "dash", Tone.PLAIN),
}
_OUTCOMES = {
    "ok": Mark("Done", "check", Tone.GOOD),
    "refused": Mark("Refused", "cross", Tone.WARN),
    "failed": Mark("Failed", "triangle", Tone.BAD),
}
_OBJECTS = {
    "as-wanted": Mark("As wanted", "check", Tone.GOOD),
    "drift": Mark("Drift", "triangle", Tone.BAD),
    "behind": Mark("Older parameters", "half", Tone.WARN),
    "missing": Mark("Not on the cluster", "triangle", Tone.BAD),
    "not-installed": Mark("Not installed", "ring", Tone.PLAIN),
    "unexpected": Mark("Not wanted", "triangle", Tone.BAD),
}
_ON_NODES = {
    "installed": Mark("Installed", "check", Tone.GOOD),
    "declared": Mark("Declared", "check", Tone.GOOD),
    "weak": Mark("Complain mode", "half", Tone.WARN),
    "fail": Mark("Missing", "triangle", Tone.WARN),
    "pending": Mark("Under way", "half", Tone.MOTION),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
    "not-applicable": Mark("Not applicable", "dash", Tone.PLAIN),
}
_PROFILES = {
    "pass": Mark("Pass", "check", Tone.GOOD),
    "weak": Mark("Pass, weak", "half", Tone.WARN),
    "fail": Mark("Fail", "triangle", Tone.BAD),
    "pending": Mark("Pending", "half", Tone.MOTION),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
    "not-applicable": Mark("Not applicable", "dash", Tone.PLAIN),
}
_SOURCES = {
    "known": Mark("Read", "check", Tone.GOOD),
    "declared": Mark("Declared", "check", Tone.GOOD),
    "gap": Mark("Not known", "question", Tone.UNKNOWN),
    "unserved": Mark("Not served here", "dash", Tone.PLAIN),
    "none": Mark("Nothing yet", "dash", Tone.PLAIN),
}
_GRADES = {
    "strong": Mark("Strong", "full", Tone.GOOD),
    "good": Mark("Good", "check", Tone.GOOD),
    "implicit": Mark("Implicit", "half", Tone.MOTION),
    "weak": Mark("Weak", "triangle", Tone.WARN),
    "none": Mark("None", "cross", Tone.WARN),
    "unknown": Mark("Unknown", "question", Tone.UNKNOWN),
    "not applicable": Mark("Not applicable", "dash", Tone.PLAIN),
}
_POSTURES = {"privileged": Mark("Privileged", "triangle", Tone.WARN)}
_CHECKED = {
    "doubtful": Mark("Doubtful", "half", Tone.WARN),
    "unknown": Mark("Not judged", "question", Tone.UNKNOWN),
}
_CUSTOM_PROFILES = {
    "profile-valid": {
        **_CHECKED,
        "yes": Mark("Valid", "check", Tone.GOOD),
        "no": Mark("Not valid", "triangle", Tone.BAD),
        "newer": Mark("Needs a newer parser", "question", Tone.UNKNOWN),
    },
    "profile-portable": {
        **_CHECKED,
        "yes": Mark("Portable", "check", Tone.GOOD),
        "doubtful": Mark("Not everywhere", "half", Tone.WARN),
        "no": Mark("Not portable", "triangle", Tone.BAD),
    },
    "profile-enforcing": {
        **_CHECKED,
        "yes": Mark("Enforcing", "check", Tone.GOOD),
        "no": Mark("Enforces nothing", "triangle", Tone.BAD),
    },
    "profile-usable": {
        **_CHECKED,
        "yes": Mark("No objection", "check", Tone.GOOD),
        "no": Mark("Unusable", "triangle", Tone.BAD),
    },
}
_SEVERITIES = {
    "error": Mark("Error", "cross", Tone.BAD),
    "warning": Mark("Warning", "triangle", Tone.WARN),
    "info": Mark("Note", "ring", Tone.PLAIN),
    "clean": Mark("No findings", "check", Tone.GOOD),
    "unjudged": Mark("Not judged", "question", Tone.UNKNOWN),
}
_FACTORS = {
    "on": Mark("On", "check", Tone.GOOD),
    "off": Mark("None yet", "triangle", Tone.WARN),
}
_DENIALS = {
    "stuck": Mark("Cannot create", "triangle", Tone.BAD),
    "unjudged": Mark("Not judged", "question", Tone.UNKNOWN),
    "tried": Mark("Refused", "cross", Tone.PLAIN),
    "other": Mark("Refused by others", "dash", Tone.PLAIN),
    "over": Mark("Was refused", "clock", Tone.PLAIN),
}
_SESSIONS = {"this": Mark("This one", "full", Tone.GOOD)}

_TRAILS = {
    "whole": Mark("Whole", "check", Tone.GOOD),
    "broken": Mark("Broken", "triangle", Tone.BAD),
    "fits": Mark("Fits", "check", Tone.GOOD),
    "unverified": Mark("Not verified", "question", Tone.UNKNOWN),
}

MARKS: dict[str, dict[str, Mark]] = {
    "trend": _TRENDS,
    "closing": _CLOSINGS,
    "cell": _CELLS,
    "gate": _GATES,
    "check": _CHECKS,
    "flip": _FLIPS,
    "exception": _EXCEPTIONS,
    "need": _NEEDS,
    "foreign": _FOREIGN,
    "rollout": {**_FLIPS, **_ROLLOUTS},
    "step": _STEPS,
    "run": _RUNS,
    "contact": _CONTACTS,
    "engine": _ENGINES,
    "hazard": _HAZARDS,
    "effect": _EFFECTS,
    "heeded": _HEEDED,
    "strip": _STRIPS,
    "snapshot": _SNAPSHOTS,
    "right": _RIGHTS,
    "opinion": _OPINIONS,
    "outcome": _OUTCOMES,
    "object": _OBJECTS,
    "grade": _GRADES,
    "posture": _POSTURES,
    "severity": _SEVERITIES,
    **_CUSTOM_PROFILES,
    "on-node": _ON_NODES,
    "profile-verdict": _PROFILES,
    "source": _SOURCES,
    "denial": _DENIALS,
    "trail": _TRAILS,
    "factor": _FACTORS,
    "session": _SESSIONS,
}


def mark_of(family: str, status: str) -> Mark:
    """Find the mark of a status; one that nobody foresaw stands as it is, marked as unknown."""
    return MARKS[family].get(str(status), Mark(str(status), "question", Tone.UNKNOWN))
