"""The six programs of a control plane and the command line of each. Starts nothing."""

import functools
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.build import Programs
from controlplane.errors import ControlPlaneError
from controlplane.state import Home

# In the order in which they start.
PARTS = ("etcd", "apiserver", "controller-manager", "kyverno", "reports", "background")

KYVERNO_NAMESPACE = "kyverno"

_LOOPBACK = "127.0.0.1"
_CONTROLLERS_OFF = (
    "node-ipam-controller",
    "node-lifecycle-controller",
    "service-lb-controller",
    "node-route-controller",
)


class UnknownPart(ControlPlaneError):
    """A control plane has no such part."""


@dataclass(frozen=True, slots=True)
class KyvernoController:
    """How one of Kyverno's programs appears: its file, its Deployment, its container."""

    program: str
    component: str
    container: str
    image: str

    @property
    def name(self) -> str:
        """Name its Deployment and its service account, as the Helm chart does."""
        return f"kyverno-{self.component}"

    @property
    def user(self) -> str:
        """Name the user that its service account is."""
        return f"system:serviceaccount:{KYVERNO_NAMESPACE}:{self.name}"


KYVERNO = {
    "kyverno": KyvernoController("kyverno", "admission-controller", "kyverno", "kyverno"),
    "reports": KyvernoController(
        "reports-controller", "reports-controller", "controller", "reports-controller"
    ),
    "background": KyvernoController(
        "background-controller", "background-controller", "controller", "background-controller"
    ),
}

# The first port of a part is the one that `status` shows.
PORTS: Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcd", "etcd-peer"),
    "apiserver": ("apiserver",),
    "controller-manager": ("controller-manager",),
    "kyverno": ("kyverno", "kyverno-metrics"),
    "reports": ("reports-metrics",),
    "background": ("background-metrics",),
}
PORT_NAMES = tuple(name for part in PARTS for name in PORTS[part])


def require_part(part: str) -> None:
    """Refuse a name that is none of the parts.

    Raises:
        UnknownPart: naming the parts there are.
    """
    if part not in PARTS:
        raise UnknownPart(f"There is no part {part!r}; there are {', '.join(PARTS)}.")


def command(part: str, programs: Programs, home: Home, ports: Mapping[str, int]) -> list[str]:
    """Return the whole command line of one part, its program first."""
    if part in KYVERNO:
        kubeconfig = f"--kubeconfig={home.kubeconfig_of(part)}"
        return [str(_kyverno_program(part, programs)), kubeconfig, *flags(part, programs, ports)]
    if part == "etcd":
        return [str(programs.etcd / "server"), *_etcd_flags(home, ports)]
    program = programs.kubernetes / f"kube-{part}"
    if part == "apiserver":
        return [str(program), *_apiserver_flags(home, ports)]
    return [str(program), *_controller_manager_flags(home, ports)]


def environment(part: str, home: Home) -> dict[str, str]:
    """Return the whole environment of one part; nothing is inherited."""
    if part not in KYVERNO:
        return {"HOME": str(home.folder)}
    controller = KYVERNO[part]
    return {
        "HOME": str(home.folder),
        "INIT_CONFIG": "kyverno",
        "METRICS_CONFIG": "kyverno-metrics",
        "KYVERNO_NAMESPACE": KYVERNO_NAMESPACE,
        "KYVERNO_SERVICEACCOUNT_NAME": controller.name,
        "KYVERNO_ROLE_NAME": f"kyverno:{controller.component}",
        "KYVERNO_DEPLOYMENT": controller.name,
        "KYVERNO_SVC": "kyverno-svc",
        # The same after every start: whoever comes back takes its lease over at once.
        "KYVERNO_POD_NAME": f"{controller.name}-0",
    }


def flags(part: str, programs: Programs, ports: Mapping[str, int]) -> list[str]:
    """Return the flags of one of Kyverno's programs, all but its kubeconfig.

    What this version's program does not know is left out: `--metricsHost`, `--webhookServerHost`.
    """
    wanted = _kyverno_flags(part, ports)
    known = _known_flags(_kyverno_program(part, programs))
    return [f"--{name}={value}" for name, value in wanted.items() if name in known]


def _kyverno_flags(part: str, ports: Mapping[str, int]) -> dict[str, str]:
    common = {
        "metricsHost": _LOOPBACK,
        "metricsPort": str(ports[f"{part}-metrics"]),
        "controllerRuntimeMetricsAddress": "0",
        "enablePolicyException": "true",
        "exceptionNamespace": "*",
        # Five times this without the API server, and the program ends: by default after ten seconds.
        "leaderElectionRetryPeriod": "10s",
    }
    if part == "reports":
        return {**common, "backgroundScanInterval": "30s"}
    if part == "background":
        return common
    return {
        "caSecretName": "kyverno-svc.kyverno.svc.kyverno-tls-ca",
        "tlsSecretName": "kyverno-svc.kyverno.svc.kyverno-tls-pair",
        "backgroundServiceAccountName": KYVERNO["background"].user,
        "reportsServiceAccountName": KYVERNO["reports"].user,
        "serverIP": f"{_LOOPBACK}:{ports['kyverno']}",
        "webhookServerHost": _LOOPBACK,
        "webhookServerPort": str(ports["kyverno"]),
        **common,
    }


def _etcd_flags(home: Home, ports: Mapping[str, int]) -> list[str]:
    client = f"http://{_LOOPBACK}:{ports['etcd']}"
    peer = f"http://{_LOOPBACK}:{ports['etcd-peer']}"
    return [
        f"--data-dir={home.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _apiserver_flags(home: Home, ports: Mapping[str, int]) -> list[str]:
    return [
        f"--etcd-servers=http://{_LOOPBACK}:{ports['etcd']}",
        f"--bind-address={_LOOPBACK}",
        f"--advertise-address={_LOOPBACK}",
        f"--secure-port={ports['apiserver']}",
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--disable-admission-plugins=ServiceAccount",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--tls-cert-file={home.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={home.pki / 'apiserver.key'}",
        f"--client-ca-file={home.pki / 'ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home.pki / 'service-account.key'}",
        f"--service-account-signing-key-file={home.pki / 'service-account.key'}",
    ]


def _controller_manager_flags(home: Home, ports: Mapping[str, int]) -> list[str]:
    kubeconfig = home.kubeconfig_of("controller-manager")
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={home.pki / 'service-account.key'}",
        f"--root-ca-file={home.pki / 'ca.crt'}",
        f"--bind-address={_LOOPBACK}",
        f"--secure-port={ports['controller-manager']}",
        "--leader-elect=false",
        f"--controllers=*,{','.join(f'-{name}' for name in _CONTROLLERS_OFF)}",
    ]


def _kyverno_program(part: str, programs: Programs) -> Path:
    return programs.kyverno / KYVERNO[part].program


@functools.cache
def _known_flags(program: Path) -> frozenset[str]:
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stderr
    return frozenset(re.findall(r"^  -(\S+)", usage, flags=re.MULTILINE))
