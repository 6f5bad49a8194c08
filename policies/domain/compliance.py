"""Where published frameworks ask for what a control checks: evidence for an audit, never a certified score.

Titles are in our own words; a benchmark's own wording may be older ("docker/default" is RuntimeDefault today).
"""

from dataclasses import dataclass

from policies.domain.controls import Control
from policies.domain.posture.records import Weakness

Version = tuple[int, int]

CIS = "CIS Kubernetes Benchmark"
PSS = "Pod Security Standards"
# Which benchmark is for which Kubernetes, by the first minor version; the newest serves later ones too.
_BENCHMARKS: tuple[tuple[Version, str], ...] = (
    ((1, 15), "1.5"),
    ((1, 16), "1.6"),
    ((1, 19), "1.20"),
    ((1, 22), "1.23"),
    ((1, 24), "1.24"),
    ((1, 25), "1.7"),
    ((1, 26), "1.8"),
    ((1, 27), "1.9"),
    ((1, 28), "1.10"),
    ((1, 29), "1.11"),
    ((1, 32), "1.12"),
)
_GENERAL_POLICIES_MOVED_SINCE = (1, 29)
"""Benchmark 1.11 has as 5.6 what was 5.7 before."""
_CAPABILITIES_MERGED_SINCE = (1, 32)
"""Benchmark 1.12 has one item on capabilities where there were two."""
_NEWEST = (9, 99)


@dataclass(frozen=True, slots=True)
class Reference:
    """One item of one framework."""

    framework: str
    version: str
    item: str
    title: str
    is_checked: bool = True
    """False: the item's number was not compared with the framework's own text."""

    def __str__(self) -> str:
        name = f"{self.framework} {self.version}".rstrip()
        return f"{name}, {self.item}" + (
            "" if self.is_checked else " (not checked against the text)"
        )


_GKE = Reference(
    "CIS GKE Benchmark", "1.9", "4.6.2", "Pods name the runtime's default seccomp profile"
)
_OPENSHIFT = Reference("CIS OpenShift Benchmark", "1.8", "5.7.2", "Pods name a seccomp profile")
_NSA = "NSA/CISA Kubernetes Hardening Guide"
_NSA_SECCOMP = Reference(
    _NSA, "1.2", "Pod security", "Containers are hardened with seccomp", is_checked=False
)
_NSA_APPARMOR = Reference(
    _NSA,
    "1.2",
    "Pod security",
    "Containers are hardened with AppArmor or SELinux",
    is_checked=False,
)
_KUBESCAPE = Reference(
    "Kubescape", "", "C-0055", "Linux hardening: any one mechanism is enough there"
)
_NIST_RUNTIME = Reference(
    "NIST SP 800-190",
    "2017",
    "4.4.3",
    "Container runtimes are configured securely",
    is_checked=False,
)
_NIST_APPLICATIONS = Reference(
    "NIST SP 800-190", "2017", "4.4.4", "Vulnerable applications are contained", is_checked=False
)
_MITRE_ESCAPE = Reference(
    "MITRE ATT&CK for Containers",
    "",
    "T1611, mitigation M1048",
    "Escape to the host is made harder",
)
_PSS_BASELINE_SECCOMP = Reference(
    PSS, "baseline", "seccompProfile_baseline", "No pod or container is Unconfined"
)
_PSS_RESTRICTED_SECCOMP = Reference(
    PSS,
    "restricted",
    "seccompProfile_restricted",
    "Every container has RuntimeDefault or Localhost",
)
_PSS_APPARMOR = Reference(PSS, "baseline", "appArmorProfile", "No pod or container is Unconfined")
_SHARED_SECCOMP = (_NSA_SECCOMP, _KUBESCAPE, _NIST_RUNTIME, _MITRE_ESCAPE)
_SHARED_APPARMOR = (_NSA_APPARMOR, _KUBESCAPE, _NIST_RUNTIME, _MITRE_ESCAPE)


def benchmark_of(kubernetes: Version | None = None) -> str:
    """Give the version of the CIS Kubernetes Benchmark for a cluster; the newest one where the cluster's is not known."""
    asked = kubernetes or _NEWEST
    fitting = [benchmark for since, benchmark in _BENCHMARKS if since <= asked]
    return fitting[-1] if fitting else _BENCHMARKS[0][1]


def references(control: Control, kubernetes: Version | None = None) -> tuple[Reference, ...]:
    """Give what a control is evidence for, the nearest first. `kubernetes` chooses the benchmark."""
    seccomp, context = _general_policies(kubernetes or _NEWEST)
    match control:
        case Control.REQUIRE_SECCOMP:
            return (seccomp, _PSS_RESTRICTED_SECCOMP, _GKE, _OPENSHIFT, *_SHARED_SECCOMP)
        case Control.DENY_UNCONFINED_SECCOMP:
            return (seccomp, _PSS_BASELINE_SECCOMP, _NIST_RUNTIME, _MITRE_ESCAPE)
        case Control.REQUIRE_APPARMOR:
            return (context, *_SHARED_APPARMOR)
        case Control.DENY_UNCONFINED_APPARMOR:
            return (context, _PSS_APPARMOR, *_SHARED_APPARMOR)
    return (_NIST_RUNTIME, _NIST_APPLICATIONS)


def _general_policies(kubernetes: Version) -> tuple[Reference, Reference]:
    group = "5.6" if kubernetes >= _GENERAL_POLICIES_MOVED_SINCE else "5.7"
    benchmark = benchmark_of(kubernetes)
    return (
        Reference(CIS, benchmark, f"{group}.2", "Pods name a seccomp profile"),
        Reference(CIS, benchmark, f"{group}.3", "Pods and containers have a security context"),
    )


_CIS_ITEMS: dict[Weakness, tuple[tuple[str, str], ...]] = {
    Weakness.PRIVILEGED: (("5.2.2", "Privileged containers are kept out"),),
    Weakness.HOST_NAMESPACES: (
        ("5.2.3", "The node's processes are not shared"),
        ("5.2.4", "The node's inter-process communication is not shared"),
        ("5.2.5", "The node's network is not shared"),
    ),
    Weakness.PRIVILEGE_ESCALATION: (("5.2.6", "Containers cannot gain privileges"),),
    Weakness.RUNS_AS_ROOT: (("5.2.7", "Containers do not run as root"),),
}
_NET_RAW = ("5.2.8", "Containers lack the capability NET_RAW")


def weakness_references(
    weakness: Weakness, kubernetes: Version | None = None
) -> tuple[Reference, ...]:
    """Give the benchmark's items that a weakness touches; none for those that it does not know."""
    asked = kubernetes or _NEWEST
    items = _CIS_ITEMS.get(weakness) or _renumbered(asked).get(weakness, ())
    return tuple(Reference(CIS, benchmark_of(asked), item, title) for item, title in items)


def _renumbered(kubernetes: Version) -> dict[Weakness, tuple[tuple[str, str], ...]]:
    paths, ports = "Folders of the node are not mounted", "Ports of the node are not taken"
    if kubernetes >= _CAPABILITIES_MERGED_SINCE:
        return {
            Weakness.CAPABILITIES: (_NET_RAW, ("5.2.9", "Containers drop their capabilities")),
            Weakness.HOST_PATHS: (("5.2.11", paths),),
            Weakness.HOST_PORTS: (("5.2.12", ports),),
        }
    return {
        Weakness.CAPABILITIES: (
            _NET_RAW,
            ("5.2.9", "Containers add no capabilities"),
            ("5.2.10", "Containers drop their capabilities"),
        ),
        Weakness.HOST_PATHS: (("5.2.12", paths),),
        Weakness.HOST_PORTS: (("5.2.13", ports),),
    }
