"""Exceptions in the sandbox: what it can carry out and what it refuses to store, by flags and by content."""

from collections.abc import Callable
from typing import Any

import pytest

from policies.cluster.errors import Invalid
from policies.domain.exceptions import compile_exception
from policies.domain.library import Target, compile_objects
from policies.domain.objects import WorkloadKind
from sandbox.control import Sandbox
from sandbox.store import Manifest
from tests.unit.domain.exception_cases import exemption, variant
from tests.unit.domain.seccomp_cases import container, pod, wrapped
from tests.unit.domain.test_exceptions import VERSION

CPOL, VPOL, NATIVE = Target


@pytest.fixture
def sandbox(tmp_path: Any) -> Any:
    made = Sandbox(tmp_path / "cluster.sqlite3")
    for namespace in ("team-a", "team-b", "kyverno"):
        made.make_namespace(namespace)
    yield made
    made.close()


def compiled(target: Target) -> Manifest:
    return compile_exception(
        variant(target),
        exemption(),
        api_version=VERSION[target],
        namespace="kyverno",
        kyverno=(1, 19, 1),
    ).manifest


def warned(sandbox: Sandbox, name: str = "app", namespace: str = "team-a") -> bool:
    manifest = wrapped(WorkloadKind.DEPLOYMENT, pod(container("c")), name=name)
    manifest["metadata"]["namespace"] = namespace
    return bool(sandbox.admit(manifest).warnings)


def foreign(target: Target, **spec: Any) -> Manifest:
    return {
        "apiVersion": VERSION[target],
        "kind": "PolicyException",
        "metadata": {"name": "theirs", "namespace": "team-b"},
        "spec": spec,
    }


def rules(*filters: Manifest, **more: Any) -> Manifest:
    match = {"any": [{"resources": {"kinds": ["Pod", "Deployment"], **f}} for f in filters]}
    exceptions = [{"policyName": "seccomp", "ruleNames": ["*"]}]
    return foreign(CPOL, match=match, exceptions=exceptions, **more)


def refs(*conditions: str, **more: Any) -> Manifest:
    return foreign(
        VPOL,
        policyRefs=[{"kind": "ValidatingPolicy", "name": "seccomp"}],
        matchConditions=[{"name": "c", "expression": each} for each in conditions],
        **more,
    )


@pytest.mark.parametrize(
    ("target", "manifest", "is_exempt"),
    [
        (CPOL, rules({}), True),
        (CPOL, rules({"namespaces": ["team-*"]}), True),
        (CPOL, rules({"namespaces": ["team-b"]}), False),
        (CPOL, rules({"namespaces": ["team-b"]}, {"names": ["ap?"]}), True),
        (CPOL, rules({"names": ["app-*"]}), False),
        (CPOL, rules({"kinds": ["Pod"]}), False),
        (VPOL, refs(), True),
        (VPOL, refs("request.namespace == 'team-a'"), True),
        (VPOL, refs("request.namespace == 'team-b'"), False),
    ],
)
def test_exception_of_somebody_else_is_carried_out(
    sandbox: Sandbox, target: Target, manifest: Manifest, is_exempt: bool
) -> None:
    sandbox.create(compile_objects(variant(target), [])[0].manifest)
    assert warned(sandbox)

    sandbox.create(manifest)

    assert warned(sandbox) is not is_exempt


def test_exception_from_one_rule_leaves_the_others(sandbox: Sandbox) -> None:
    sandbox.create(compile_objects(variant(CPOL), [])[0].manifest)
    manifest = rules({})
    manifest["spec"]["exceptions"][0]["ruleNames"] = ["deny-unconfined-seccomp"]

    sandbox.create(manifest)

    assert warned(sandbox)


def edited(target: Target, edit: Callable[[Manifest], object]) -> Manifest:
    manifest = compiled(target)
    edit(manifest["spec"])
    return manifest


@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        (edited(CPOL, lambda s: s.update(podSecurity=[{"controlName": "Seccomp"}])), "podSecurity"),
        (edited(CPOL, lambda s: s["match"].update(all=[])), "match.all"),
        (edited(CPOL, lambda s: s["conditions"].update(any=[])), "conditions.any"),
        (edited(CPOL, lambda s: s["conditions"]["all"][0].update(key="{{ x }}")), "{{ x }}"),
        (edited(CPOL, lambda s: s["conditions"]["all"][0].update(operator="NotEquals")), "NotEq"),
        (edited(CPOL, lambda s: s.update(exceptions=[])), "exceptions"),
        (edited(CPOL, lambda s: s.pop("match")), "match.any"),
        (rules({"selector": {}}), "selector"),
        (edited(VPOL, lambda s: s.update(images=["x"])), "images"),
        (edited(VPOL, lambda s: s.update(reportResult="pass")), "reportResult"),
        (edited(VPOL, lambda s: s.update(policyRefs=[])), "policyRefs"),
        (refs("true"), "true"),
        (refs("request.namespace == 'a'", "request.namespace == 'b'"), "several conditions"),
        (
            foreign(VPOL, policyRefs=[{"kind": "MutatingPolicy", "name": "x"}]),
            "MutatingPolicy",
        ),
        (foreign(VPOL, policyRefs=[{"name": "x"}]), "wrong shape"),
    ],
)
def test_exception_with_an_unknown_part_is_not_stored(
    sandbox: Sandbox, manifest: Manifest, what: str
) -> None:
    with pytest.raises(Invalid, match="runs only what secprof compiles") as refused:
        sandbox.create(manifest)

    assert what in refused.value.message


def test_native_policy_with_an_unknown_condition_is_not_stored(sandbox: Sandbox) -> None:
    policy = compile_objects(variant(NATIVE, exemptions=(exemption(),)), [])[0].manifest
    sandbox.create(policy)
    policy["metadata"]["name"] = "second"
    policy["spec"]["matchConditions"][1]["expression"] += " || true"

    with pytest.raises(Invalid, match="runs only what secprof compiles"):
        sandbox.create(policy)
