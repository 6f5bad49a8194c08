"""The kubectl and jq commands that validate a variant in one namespace without secprof: text to copy, run by nobody here.

None of them changes a cluster: what would write is asked as a server-side dry-run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policies.domain.controls import Mechanism
from policies.domain.jq import listing
from policies.domain.library import (
    Target,
    VariantSpec,
    compile_objects,
    manifest_bytes,
    probe_pods,
)
from policies.domain.library.labels import VARIANT_LABEL

WORKLOAD_RESOURCES = (
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "cronjobs.batch",
    "jobs.batch",
    "replicasets.apps",
    "replicationcontrollers",
    "podtemplates",
    "pods",
)
"""The nine kinds that hold a pod spec, as kubectl names them."""

_MECHANISM_TITLE = {Mechanism.SECCOMP: "seccomp", Mechanism.APPARMOR: "AppArmor"}
_POLICY_RESOURCES = {
    Target.CLUSTER_POLICY: "clusterpolicies.kyverno.io",
    Target.VALIDATING_POLICY: "validatingpolicies.policies.kyverno.io",
    Target.NATIVE: "validatingadmissionpolicybindings.admissionregistration.k8s.io",
}
# Each line: name, what a failure leads to, and the namespaces that it holds for.
_ENFORCED = {
    Target.CLUSTER_POLICY: """\
.items[]
| [.metadata.name,
   ([.spec.rules[].validate.failureAction] | unique | join(",")),
   ([.spec.rules[].match.any[].resources.namespaces[]?] | unique | join(" "))]
| @tsv
""",
    Target.VALIDATING_POLICY: r"""
.items[]
| [.metadata.name,
   (.spec.validationActions | join(",")),
   ([.spec.matchConditions[]?.expression | select(startswith("request.namespace in"))
     | scan("\u0027([^\u0027]*)\u0027")[]] | unique | join(" "))]
| @tsv
""".lstrip(),
    Target.NATIVE: """\
.items[]
| [.metadata.name,
   (.spec.validationActions | join(",")),
   ([.spec.matchResources.namespaceSelector.matchExpressions[]?
     | select(.key == "kubernetes.io/metadata.name" and .operator == "In") | .values[]]
    | unique | join(" "))]
| @tsv
""",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command, with what it shows."""

    key: str
    """Stable, for anchors and tests."""
    title: str
    text: str
    meaning: str
    """How to read its answer."""


def commands(
    spec: VariantSpec, namespace: str, *, enforced: Iterable[str] = ()
) -> tuple[Command, ...]:
    """Write the commands for one namespace; `enforced` names all namespaces that the variant is enforced in."""
    wanted = tuple(sorted(set(enforced)))
    probes = probe_pods(spec)
    return (
        *(_who_fails(spec, namespace, mechanism) for mechanism in spec.mechanisms),
        Command(
            "bad-pod",
            "A bad pod is refused" if namespace in wanted else "A bad pod is warned about",
            _create(namespace, probes.bad),
            _refused(spec) if namespace in wanted else _warned(spec),
        ),
        Command(
            "good-pod",
            "A good pod is admitted",
            _create(namespace, probes.good),
            "It ends with “created (server dry run)”, and no warning names this variant.",
        ),
        _in_force(spec),
        _try_objects(spec, wanted),
    )


def _who_fails(spec: VariantSpec, namespace: str, mechanism: Mechanism) -> Command:
    resources = ",".join(WORKLOAD_RESOURCES)
    program = listing(spec.parameters, mechanism)
    return Command(
        f"who-fails-{mechanism}",
        f"Who fails today: {_MECHANISM_TITLE[mechanism]}",
        f"kubectl -n {namespace} get {resources} -o json | jq -r '\n{program}'\n",
        "Each line is a fault: namespace, object, container, control and what is declared. No line: nobody fails."
        " Pods are listed only for what their owners do not fail already.",
    )


def _create(namespace: str, pod: dict[str, Any]) -> str:
    return _with_input(f"kubectl -n {namespace} create --dry-run=server -f -", (pod,))


def _refused(spec: VariantSpec) -> str:
    return f"The API server refuses it, and the refusal names {spec.name}-enforce."


def _warned(spec: VariantSpec) -> str:
    return f"A warning names {spec.name}: in Audit the pod is created all the same."


def _in_force(spec: VariantSpec) -> Command:
    command = f"kubectl get {_POLICY_RESOURCES[spec.target]} -l {VARIANT_LABEL}={spec.name} -o json"
    return Command(
        "in-force",
        "What is enforced where",
        f"{command} | jq -r '\n{_ENFORCED[spec.target]}'\n",
        "Each line: object, what a failure leads to, and the namespaces that it names; none stands for all of them.",
    )


def _try_objects(spec: VariantSpec, enforced: tuple[str, ...]) -> Command:
    objects = (o.manifest for o in compile_objects(spec, enforced))
    command = "kubectl apply --server-side --dry-run=server --force-conflicts -f -"
    return Command(
        "apply",
        "Would the cluster take the objects",
        _with_input(command, objects),
        "Each line ends with “serverside-applied (server dry run)”. To write them, plan a flip: it is approved,"
        " proven and kept in the trail.",
    )


def patch_command(kind: str, name: str, namespace: str, patch: str) -> str:
    """Write the command that applies a strategic-merge patch to one workload's own template."""
    command = f"kubectl -n {namespace} patch {kind.lower()}/{name} --type strategic"
    return f"{command} --patch-file /dev/stdin <<'EOF'\n{patch}EOF\n"


def _with_input(command: str, manifests: Iterable[dict[str, Any]]) -> str:
    documents = "---\n".join(manifest_bytes(manifest).decode() for manifest in manifests)
    return f"{command} <<'EOF'\n{documents}EOF\n"
