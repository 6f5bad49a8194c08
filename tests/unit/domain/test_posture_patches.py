"""Patches: applied as Kubernetes would apply them, the findings are gone and nothing else has changed."""

from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import assess, patch_for
from tests.unit.domain.seccomp_cases import CASES, RD, UN, Case, container, pod, wrapped
from tests.unit.domain.test_posture import BOTH, decoded

JUDGED = [case for case in CASES if not case.unreadable]


def merged(base: Any, patch: Any) -> Any:
    """Apply a strategic-merge patch in which every list of objects merges by `name`."""
    if isinstance(patch, dict):
        result = dict(base or {})
        for key, value in patch.items():
            result[key] = merged(result.get(key), value)
        return result
    if isinstance(patch, list):
        changes = {item["name"]: item for item in patch}
        return [merged(item, changes.get(item["name"], {})) for item in base]
    return patch


def patch_of(kind: WorkloadKind, manifest: dict[str, Any]) -> str:
    workload = decoded(kind, manifest)
    findings = assess(kind, workload, parameters=Parameters(controls=BOTH)).findings
    return patch_for(kind, "team-a", "case", workload, findings)


def mended(kind: WorkloadKind, manifest: dict[str, Any]) -> dict[str, Any]:
    patch = yaml.safe_load(patch_of(kind, manifest)) or {}
    result: dict[str, Any] = merged(deepcopy(manifest), patch)
    return result


@pytest.mark.parametrize("kind", WorkloadKind)
@pytest.mark.parametrize("case", JUDGED, ids=lambda c: c.id)
def test_patch_of_each_case_leaves_no_finding(case: Case, kind: WorkloadKind) -> None:
    after = mended(kind, wrapped(kind, case.spec))

    assert assess(kind, decoded(kind, after), parameters=Parameters(controls=BOTH)).findings == ()


@settings(deadline=None)
@given(
    pod_profile=st.sampled_from([None, RD, UN]),
    profiles=st.lists(st.sampled_from([None, RD, UN]), min_size=1, max_size=4),
)
def test_patch_any_mixture_leaves_no_finding(
    pod_profile: dict[str, Any] | None, profiles: list[dict[str, Any] | None]
) -> None:
    containers = [container(f"c{number}", p) for number, p in enumerate(profiles)]
    spec = pod(*containers[:2], profile=pod_profile, init=tuple(containers[2:]))

    after = mended(WorkloadKind.DEPLOYMENT, wrapped(WorkloadKind.DEPLOYMENT, spec))

    workload = decoded(WorkloadKind.DEPLOYMENT, after)
    assert (
        assess(WorkloadKind.DEPLOYMENT, workload, parameters=Parameters(controls=BOTH)).findings
        == ()
    )


def test_patch_where_nothing_is_set_sets_the_pod_only() -> None:
    manifest = wrapped(WorkloadKind.CRON_JOB, pod(container("a"), container("b")))

    patch = yaml.safe_load(patch_of(WorkloadKind.CRON_JOB, manifest))

    assert patch == {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "case", "namespace": "team-a"},
        "spec": {
            "jobTemplate": {
                "spec": {"template": {"spec": {"securityContext": {"seccompProfile": RD}}}}
            }
        },
    }


def test_patch_of_an_explicit_unconfined_replaces_it_where_it_stands() -> None:
    manifest = wrapped(WorkloadKind.DEPLOYMENT, pod(container("a"), container("b", UN), profile=RD))

    patch = yaml.safe_load(patch_of(WorkloadKind.DEPLOYMENT, manifest))

    assert patch["spec"]["template"]["spec"] == {
        "containers": [{"name": "b", "securityContext": {"seccompProfile": RD}}]
    }


def test_patch_of_a_pod_says_that_it_must_be_made_anew() -> None:
    text = patch_of(WorkloadKind.POD, wrapped(WorkloadKind.POD, pod(container("c"))))

    assert text.startswith("# A running pod cannot be changed")


def test_patch_without_findings_is_empty() -> None:
    good = wrapped(WorkloadKind.POD, pod(container("c"), profile=RD))

    assert patch_of(WorkloadKind.POD, good) == ""


def test_patch_leaves_out_a_container_that_is_gone() -> None:
    kind = WorkloadKind.DEPLOYMENT
    before = decoded(kind, wrapped(kind, pod(container("old", UN), profile=RD)))
    after = decoded(kind, wrapped(kind, pod(container("new", RD), profile=RD)))
    findings = assess(kind, before, parameters=Parameters(controls=BOTH)).findings

    assert patch_for(kind, "team-a", "case", after, findings) == ""
