"""Hazards of version and settings: when each applies, when it may, and that every trap is told somewhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from policies.domain.engine_settings import EngineSettings, read_config, read_webhook
from policies.domain.engines import Component, ControllerSettings, Version
from policies.domain.hazards import CATALOGUE, Sureness, Weight, hazards

ROOT = Path(__file__).parents[3]
ON = {"--enablePolicyException": "true", "--exceptionNamespace": "kyverno"}

ELSEWHERE = {
    "T1": (
        "policies/domain/effective.py",
        "A policy's own words: told on its page, and by a lint.",
    ),
    "T5": ("policies/domain/library/compile.py", "secprof's twins judge a changed pod spec alone."),
    "T17": ("policies/domain/readiness.py", "Told by the times of results, not by settings."),
    "T19": ("policies/domain/readiness.py", "Posture and rehearsal stand beside reports."),
    "T20": ("policies/domain/reports.py", "How results are counted."),
    "T21": ("policies/domain/reports.py", "`properties.process` is never read."),
    "T24": ("policies/cluster/refusals.py", "How refusals are read."),
    "T26": ("policies/actions/collected_policies.py", "Which versions are read."),
    "T27": ("policies/actions/proofs.py", "Pods prove a flip, not a condition."),
    "T28": ("policies/domain/library/compile.py", "Twins list names, sorted."),
    "T29": ("policies/cluster/writes.py", "Objects are replaced as a whole, guarded."),
    "T30": ("policies/domain/lint/owners.py", "Who owns a policy is told on its page."),
    "T31": ("policies/domain/lint/catalogue.py", "A lint of the policy's text."),
    "T32": ("policies/domain/lint/apparmor.py", "Lints of the policy's text."),
    "T33": ("policies/domain/inventory/verdicts.py", "Profiles on nodes."),
    "T36": (
        "policies/actions/exception_ends.py",
        "The end of an exception is planned like a flip.",
    ),
}
"""Traps that cannot be told from version and settings, and what else minds them."""
LESSONS = {
    "V1": ("policies/domain/library/compile.py", "The shape of the twin."),
    "V3": ("policies/actions/proofs.py", "How long a write takes to settle."),
    "V4": ("policies/domain/library/shapes.py", "Only a changed pod spec is judged."),
    "V5": ("policies/domain/library/shapes.py", "How that is written."),
    "V6": ("policies/domain/library/targets.py", "Operations are named."),
    "V7": ("policies/domain/library/shapes.py", "The Audit policy judges everything."),
    "V8": ("policies/domain/library/targets.py", "The companion for debug containers."),
    "V9": ("policies/actions/rehearsals.py", "Rehearsals ask by dry-run."),
    "V10": ("policies/cluster/refusals.py", "How refusals read."),
    "V11": ("policies/domain/exceptions/compile.py", "Exceptions name twin and Audit policy."),
    "V12": ("policies/actions/rehearsals.py", "Dry-runs are few."),
    "V14": ("policies/domain/posture/declared.py", "How AppArmor is stated."),
    "V15": ("policies/domain/library/compile.py", "How large a twin may be."),
}
"""What a real plane taught that is no hazard of a setting, and what minds it."""


def controller(component: Component, version: Version | None, **more: object) -> ControllerSettings:
    found = ControllerSettings(component, "kyverno", component.value, version, dict(ON))
    return replace(found, replicas=1, ready=1, **more)  # type: ignore[arg-type]


def engine(version: Version | None = (1, 19, 1), **flags: str) -> EngineSettings:
    stated = {**ON, **{f"--{name}": value for name, value in flags.items()}}
    return EngineSettings(
        controllers=tuple(controller(each, version, flags=stated) for each in Component),
        config=read_config({}),
        webhooks=(
            read_webhook(
                {
                    "name": "validate.kyverno.svc-x",
                    "resources": ["pods"],
                    "timeoutSeconds": 3,
                    "failurePolicy": "Ignore",
                }
            ),
        ),
        kubernetes=(1, 36, 3),
    )


def changed(component: Component, **more: object) -> EngineSettings:
    settings = engine()
    return replace(
        settings,
        controllers=tuple(
            replace(each, **more) if each.component is component else each  # type: ignore[arg-type]
            for each in settings.controllers
        ),
    )


def told(settings: EngineSettings) -> dict[str, str]:
    """Traps that apply or may, without those of every new version."""
    return {h.title: h.sureness.value for h in hazards(settings)}


CALM = set(told(engine()))


def traps(settings: EngineSettings) -> set[str]:
    return {h.trap for h in hazards(settings) if h.title not in CALM}


def test_new_engine_with_plain_settings_has_notes_and_no_danger() -> None:
    assert {h.weight for h in hazards(engine())} <= {Weight.NOTE, Weight.CAUTION}
    assert {h.trap for h in hazards(engine())} == {"T7", "T8", "T34"}


@pytest.mark.parametrize(
    ("version", "applying", "silent"),
    [
        ((1, 12, 7), {"T4", "T15", "T34"}, {"T2", "T3", "T14", "T10"}),
        ((1, 13, 2), {"T3", "T4"}, {"T2", "T14"}),
        ((1, 13, 3), {"T4"}, {"T3", "T2"}),
        ((1, 16, 0), {"T2", "T4", "T14", "T10"}, {"T3"}),
        ((1, 16, 3), {"T2", "T10"}, {"T3"}),
        ((1, 18, 2), {"T2", "T14", "T15", "T10", "T7"}, {"T3"}),
        ((1, 19, 0), {"T10"}, {"T2", "T3", "T14", "T15"}),
        ((1, 19, 1), {"T7"}, {"T2", "T3", "T10", "T14", "T15"}),
        ((1, 20, 0), {"T7"}, {"T2", "T10"}),
    ],
)
def test_version_has_hazards(version: Version, applying: set[str], silent: set[str]) -> None:
    found = {h.trap for h in hazards(engine(version)) if h.sureness is Sureness.APPLIES}

    assert applying <= found
    assert not silent & found


def test_rules_of_120_are_a_danger_and_those_before_it_a_note() -> None:
    weight = {
        v: next(h.weight for h in hazards(engine(v)) if h.trap == "T7")
        for v in ((1, 19, 1), (1, 20, 0))
    }

    assert weight == {(1, 19, 1): Weight.NOTE, (1, 20, 0): Weight.DANGER}


def test_unknown_version_may_have_every_hazard_of_any_version() -> None:
    found = {h.trap: h.sureness for h in hazards(engine(None))}

    for trap in ("T2", "T3", "T4", "T7", "T8", "T10", "T14", "T15", "T34"):
        assert found[trap] is Sureness.POSSIBLE


def test_nothing_known_is_never_calm() -> None:
    found = hazards(EngineSettings())

    assert {"T2", "T6", "T9", "T11", "T12", "T13", "T16", "T35", "V13"} <= {h.trap for h in found}
    assert {h.sureness for h in found} == {Sureness.POSSIBLE}


@pytest.mark.parametrize(
    ("settings", "trap"),
    [
        (engine(backgroundScan="false"), "T6"),
        (engine(allowedResults="fail"), "T6"),
        (engine(exceptionNamespace="*"), "T9"),
        (engine(exceptionNamespace=""), "T9"),
        (replace(engine(), config=read_config({"resourceFilters": "[*/*,a,*]"})), "T11"),
        (replace(engine(), config=read_config({"excludeGroups": "system:authenticated"})), "T11"),
        (
            replace(
                engine(),
                config=read_config({"webhooks": '{"objectSelector": {"matchLabels": {"a": "b"}}}'}),
            ),
            "T11",
        ),
        (
            replace(
                engine(),
                config=read_config({"matchConditions": '[{"name": "c", "expression": "x"}]'}),
            ),
            "T11",
        ),
        (engine(forceFailurePolicyIgnore="true"), "T12"),
        (engine(autoUpdateWebhooks="false"), "T12"),
        (replace(engine(), webhooks=(), expects_pods=True), "T12"),
        (changed(Component.ADMISSION, replicas=0), "T12"),
        (changed(Component.ADMISSION, ready=0), "T12"),
        (engine(generateValidatingAdmissionPolicy="true"), "T13"),
        (changed(Component.REPORTS, version=(1, 18, 2)), "T16"),
        (changed(Component.ADMISSION, replicas=3, ready=3), "T16"),
        (changed(Component.ADMISSION, replicas=3, ready=2), "T16"),
        (changed(Component.REPORTS, replicas=0), "T18"),
        (changed(Component.REPORTS, ready=0), "T18"),
        (engine(openreportsEnabled="true"), "T22"),
        (engine(omitEvents="PolicyApplied,PolicyViolation"), "T23"),
        (replace(engine(), others=("pods.example.org",)), "T25"),
        (engine(enablePolicyException="false"), "T35"),
        (changed(Component.REPORTS, flags={"--enablePolicyException": "true"}), "T35"),
        (replace(engine(), kubernetes=(1, 27, 9)), "V13"),
        (
            replace(
                engine(),
                webhooks=(
                    read_webhook({"name": "validate.kyverno.svc-fail", "resources": ["pods"]}),
                ),
            ),
            "V2",
        ),
    ],
)
def test_setting_has_its_hazard_and_a_plain_one_has_not(
    settings: EngineSettings, trap: str
) -> None:
    found = {h.trap: h for h in hazards(settings) if h.title not in CALM}

    assert found[trap].because
    assert trap not in traps(engine())


@pytest.mark.parametrize(
    "without",
    [
        lambda s: replace(s, config=None),
        lambda s: replace(s, webhooks=None),
        lambda s: replace(s, kubernetes=None),
        lambda s: replace(s, controllers=tuple(replace(c, flags=None) for c in s.controllers)),
        lambda _: engine(autoUpdateWebhooks="$(AUTO)"),
        lambda _: engine(omitEvents="$(EVENTS)"),
    ],
)
def test_what_could_not_be_read_may_apply(
    without: Callable[[EngineSettings], EngineSettings],
) -> None:
    more = [h for h in hazards(without(engine())) if h.title not in CALM]

    assert more
    assert {h.sureness for h in more} == {Sureness.POSSIBLE}


def test_hazards_that_apply_come_first_and_the_worst_of_them() -> None:
    found = hazards(engine((1, 16, 0), exceptionNamespace=""))
    order = [(h.sureness is Sureness.POSSIBLE, list(Weight).index(h.weight)) for h in found]

    assert order == sorted(order)
    assert found[0].weight is Weight.DANGER


def test_every_trap_is_told_from_settings_or_minded_elsewhere() -> None:
    told_here = {entry.trap for entry in CATALOGUE}

    assert not told_here & ELSEWHERE.keys()
    assert {f"T{number}" for number in range(1, 37)} == {
        t for t in told_here if t[0] == "T"
    } | ELSEWHERE.keys()
    lessons = {t for t in told_here if t[0] == "V"}
    assert not lessons & LESSONS.keys()
    assert {f"V{number}" for number in range(1, 16)} == lessons | LESSONS.keys()
    for path, why in (*ELSEWHERE.values(), *LESSONS.values()):
        assert (ROOT / path).exists(), path
        assert why


def test_hazards_are_told_in_sentences() -> None:
    for entry in CATALOGUE:
        assert entry.means.endswith(".")
        assert entry.remedy.endswith(".")
        assert not entry.title.endswith(".")
