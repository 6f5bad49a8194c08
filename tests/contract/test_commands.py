"""The commands that people copy, run for real: kubectl against a control plane, and jq held to posture's findings."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pytest

import controlplane
from controlplane import ControlPlane
from policies.domain.commands import Command, commands, patch_command
from policies.domain.controls import Control, Mechanism
from policies.domain.failing import Failures, failures
from policies.domain.jq import listing
from policies.domain.library import API_VERSIONS, TEMPLATES, Target, VariantSpec
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import assess, patch_for
from tests.contract.command_traps import Manifest, parameters, refused_traps, traps
from tests.contract.planes import eventually

Fault = tuple[str, str, str]
"""Object, container (or the pod), control."""
Shell = Callable[[str], subprocess.CompletedProcess[str]]
BOTH = tuple(Mechanism)
PATIENCE_SECONDS = 300
"""A busy engine takes its time with each of the traps."""


def run(text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a text as somebody does who pasted it into a shell."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{text}"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def listed(output: str) -> set[Fault]:
    return {(f[1], f[2], f[3]) for line in output.splitlines() if (f := line.split("\t"))}


def judged(items: Iterable[Manifest], wanted: Parameters, mechanism: Mechanism) -> set[Fault]:
    """Say what posture finds among the same objects."""
    return {
        (f"{failing.kind}/{failing.name}", finding.container or "(pod)", str(finding.control))
        for failing in _failures(items, wanted, mechanism).failing
        for finding in failing.findings
        if finding.mechanism is mechanism
    }


def _failures(items: Iterable[Manifest], wanted: Parameters, mechanism: Mechanism) -> Failures:
    return failures(
        map(decoded, items),
        lambda kind, workload: assess(kind, workload, parameters=wanted, mechanisms=(mechanism,)),
    )


def decoded(item: Manifest) -> tuple[WorkloadKind, Workload]:
    kind = WorkloadKind(item["kind"])
    return kind, msgspec.json.decode(json.dumps(item).encode(), type=STRUCT_BY_KIND[kind])


def with_uids(items: Iterable[Manifest]) -> list[Manifest]:
    return [
        {**item, "metadata": {**item["metadata"], "uid": f"uid-{number}", "namespace": "traps"}}
        for number, item in enumerate(items)
    ]


@pytest.mark.jq
@pytest.mark.parametrize("mechanism", BOTH)
@pytest.mark.parametrize(
    "wanted",
    [
        parameters(controls=tuple(Control)),
        parameters(controls=(Control.DENY_UNCONFINED_SECCOMP, Control.DENY_UNCONFINED_APPARMOR)),
        parameters(controls=tuple(Control), apparmor_annotations=False),
        Parameters(controls=tuple(Control)),
    ],
    ids=["all", "deny", "no-annotations", "nothing-allowed"],
)
def test_listing_of_every_trap_equals_posture(wanted: Parameters, mechanism: Mechanism) -> None:
    items = with_uids([*traps(), *refused_traps()])
    found = subprocess.run(
        ["jq", "-r", listing(wanted, mechanism)],
        input=json.dumps({"items": items}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stderr == ""
    assert listed(found.stdout) == judged(items, wanted, mechanism)
    assert listed(found.stdout)


@pytest.mark.jq
def test_listing_says_once_what_owner_and_owned_fail_alike() -> None:
    owner, owned = with_uids(traps()[:1] * 2)
    owned["metadata"] |= {
        "name": "owned",
        "ownerReferences": [{"uid": "uid-0", "controller": True, "kind": "Pod", "name": "x"}],
    }
    program = listing(Parameters(), Mechanism.SECCOMP)

    found = run(f"jq -r '{program}' <<'EOF'\n{json.dumps({'items': [owner, owned]})}\nEOF")

    assert found.stdout == "traps\tPod/nothing-set\tc\trequire-seccomp\tnothing set\n"


@pytest.fixture(scope="module")
def shell(control_plane: ControlPlane) -> Shell:
    """A shell with kubectl and jq, and the rights of the plane's administrator."""
    path = f"{controlplane.kubectl().parent}{os.pathsep}{os.environ['PATH']}"
    return lambda text: run(text, PATH=path, KUBECONFIG=str(control_plane.kubeconfig))


@pytest.fixture(scope="module")
def namespaces(shell: Shell) -> Iterator[tuple[str, str]]:
    """One to enforce in, and its neighbour."""
    names = [f"cmd-{word}-{secrets.token_hex(3)}" for word in ("shop", "pay")]
    for name in names:
        ok(shell(f"kubectl create namespace {name}"))
    yield names[0], names[1]
    shell(f"kubectl delete namespace --wait=false {' '.join(names)}")


@pytest.fixture(scope="module")
def trapped(shell: Shell, namespaces: tuple[str, str]) -> str:
    """The neighbour, with every trap that the API server takes."""
    _, name = namespaces
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": traps()})
    ok(shell(f"kubectl -n {name} create -f - <<'EOF'\n{objects}\nEOF"))
    pods = f"kubectl -n {name} get pods -l app=deployment-running -o name"
    eventually(lambda: shell(pods).stdout, bool)
    return name


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=[(t, n) for t in Target for n in TEMPLATES], ids=str)
def spec(request: pytest.FixtureRequest) -> VariantSpec:
    target, template = request.param
    return VariantSpec(
        name=f"cmd-{secrets.token_hex(3)}",
        template=template,
        target=target,
        api_version=API_VERSIONS[target][0],
        parameters=parameters(controls=TEMPLATES[template].controls),
    )


@pytest.fixture(scope="module")
def offered(
    shell: Shell, spec: VariantSpec, namespaces: tuple[str, str]
) -> Iterator[Callable[[str, str], Command]]:
    """The commands, by key and namespace, with the variant enforced in the first namespace."""
    enforced = namespaces[:1]

    def command(key: str, namespace: str) -> Command:
        return {c.key: c for c in commands(spec, namespace, enforced=enforced)}[key]

    tried = command("apply", enforced[0]).text
    ok(shell(tried.replace(" --dry-run=server", "")))
    refused = command("bad-pod", enforced[0]).text
    eventually(lambda: shell(refused), lambda done: done.returncode != 0, in_a_row=3)
    yield command
    kinds = (
        "clusterpolicies.kyverno.io,validatingpolicies.policies.kyverno.io"
        ",validatingadmissionpolicies,validatingadmissionpolicybindings"
    )
    ok(shell(f"kubectl delete {kinds} -l secprof.io/variant={spec.name}"))


Offered = Callable[[str, str], Command]


@pytest.mark.controlplane
@pytest.mark.jq
class TestOnAControlPlane:
    """Every command of every template and target, as it is written on the page."""

    def test_bad_pod_where_enforced_is_refused_by_name(
        self, shell: Shell, offered: Offered, spec: VariantSpec, namespaces: tuple[str, str]
    ) -> None:
        done = shell(offered("bad-pod", namespaces[0]).text)

        assert done.returncode != 0
        assert f"{spec.name}-enforce" in done.stderr

    def test_bad_pod_in_audit_is_created_with_a_warning(
        self, shell: Shell, offered: Offered, spec: VariantSpec, namespaces: tuple[str, str]
    ) -> None:
        ask = offered("bad-pod", namespaces[1]).text
        done = eventually(lambda: shell(ask), lambda found: spec.name in found.stderr)

        assert ok(done).endswith("created (server dry run)\n")
        assert f"{spec.name}-enforce" not in done.stderr.replace(f"{spec.name}-audit", "")

    @pytest.mark.parametrize("place", [0, 1])
    def test_good_pod_is_admitted_without_a_word(
        self,
        shell: Shell,
        offered: Offered,
        spec: VariantSpec,
        namespaces: tuple[str, str],
        place: int,
    ) -> None:
        done = shell(offered("good-pod", namespaces[place]).text)

        assert ok(done).endswith("created (server dry run)\n")
        assert spec.name not in done.stderr

    def test_who_fails_equals_posture_on_the_same_objects(
        self, shell: Shell, offered: Offered, spec: VariantSpec, trapped: str
    ) -> None:
        for mechanism in spec.mechanisms:
            command = offered(f"who-fails-{mechanism}", trapped).text
            items = json.loads(ok(shell(command.partition(" | jq ")[0])))["items"]

            found = listed(ok(shell(command)))

            assert found == judged(items, spec.parameters, mechanism)
            assert ("Deployment/deployment-running", "c") in {fault[:2] for fault in found}
            assert not [fault for fault in found if fault[0].startswith("ReplicaSet/deployment-")]

    def test_in_force_names_the_enforced_namespace_alone(
        self, shell: Shell, offered: Offered, spec: VariantSpec, namespaces: tuple[str, str]
    ) -> None:
        lines = ok(shell(offered("in-force", namespaces[0]).text)).splitlines()

        found = {tuple(line.split("\t")) for line in lines}
        deny = "Enforce" if spec.target is Target.CLUSTER_POLICY else "Deny"
        assert (f"{spec.name}-enforce", deny, namespaces[0]) in found
        assert {line[2] for line in found if line[1] != deny} == {""}

    def test_objects_are_taken_again_by_dry_run(
        self, shell: Shell, offered: Offered, namespaces: tuple[str, str]
    ) -> None:
        lines = ok(shell(offered("apply", namespaces[0]).text)).splitlines()

        assert len(lines) >= 2
        assert all(line.endswith("serverside-applied (server dry run)") for line in lines)


@pytest.mark.controlplane
@pytest.mark.parametrize(
    "name", ["deployment-nothing-set", "deployment-init-unconfined", "cronjob-pod-unconfined"]
)
def test_patch_command_makes_the_workload_pass(shell: Shell, trapped: str, name: str) -> None:
    kind = name.partition("-")[0]
    item = json.loads(ok(shell(f"kubectl -n {trapped} get {kind} {name} -o json")))
    known, workload = decoded(item)
    wanted = Parameters()
    found = assess(known, workload, parameters=wanted).findings
    patch = patch_for(known, trapped, name, workload, found)

    command = patch_command(kind, name, trapped, patch)
    patched: Any = json.loads(
        ok(shell(command.replace(" --type", " --dry-run=server -o json --type")))
    )

    assert found
    assert assess(*decoded(patched), parameters=wanted).findings == ()
