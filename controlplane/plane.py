"""One control plane from outside: bring it up, take it down, stop and start its parts, make users.

Everything listens on loopback, except Kyverno before 1.19, which has no `--webhookServerHost` and
listens on every address. Keys lie in plain files and etcd has no password: for tests only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane import build, certificates, kubeconfig, lifecycle, processes
from controlplane.certificates import Pair
from controlplane.parts import PARTS, PORTS, require_part
from controlplane.processes import Condition, Process
from controlplane.state import Home

# More would only wait for watches: the API server drains them for a minute, etcd for seven seconds.
_STOP_SECONDS = 3.0
_TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as it is now."""

    part: str
    pid: int | None
    condition: Condition
    port: int


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that was brought up. Holds no connection; any process may have its own."""

    name: str
    kyverno: str
    server: str
    ca_pem: str
    kubeconfig: Path

    @classmethod
    def find(cls, name: str) -> "ControlPlane":
        """Return the control plane with this name.

        Raises:
            NotUp: there is none.
        """
        home = Home(name)
        state = lifecycle.read(home)
        authority = Pair.load(home.pki, "ca").certificate
        return cls(name, state.kyverno, lifecycle.server(state), authority, home.kubeconfig)

    def start(self, part: str) -> None:
        """Start one part on its old port and wait until it is ready; nothing happens if it runs.

        Raises:
            NotReady: it died or took too long; the message ends with its log.
        """
        require_part(part)
        with self._changing() as home:
            lifecycle.start(home, [part], build.build(self.kyverno))

    def stop(self, part: str) -> None:
        """Terminate one part and wait until it is gone; its port and files stay.

        Kyverno's programs end themselves when they miss the API server for some 50 seconds; a cluster
        would start them again, here `start` does.
        """
        require_part(part)
        with self._changing() as home:
            lifecycle.end(home, [part], _STOP_SECONDS)

    def restart(self) -> None:
        """Stop all parts and start them again on their ports; objects in the cluster stay."""
        with self._changing() as home:
            lifecycle.end(home, PARTS[::-1], _STOP_SECONDS)
            lifecycle.start(home, PARTS, build.build(self.kyverno))

    def pause(self, part: str) -> None:
        """Freeze one part: its port stays open, but nothing answers."""
        if process := self._process(part):
            processes.pause(process)

    def resume(self, part: str) -> None:
        """Let a paused part go on."""
        if process := self._process(part):
            processes.resume(process)

    def status(self) -> tuple[PartStatus, ...]:
        """Look at every part, in the order in which they start."""
        state = lifecycle.read(Home(self.name))
        return tuple(
            PartStatus(
                part,
                state.processes[part].pid if part in state.processes else None,
                lifecycle.condition(state, part),
                state.ports[PORTS[part][0]],
            )
            for part in PARTS
        )

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> str:
        """Return a kubeconfig for a new user in these groups; without a role it may do nothing."""
        authority = Pair.load(Home(self.name).pki, "ca")
        pair = certificates.issue_client(authority, user, groups)
        return kubeconfig.with_certificate(self.server, self.ca_pem, user, pair)

    def token_kubeconfig(self, namespace: str, service_account: str) -> str:
        """Return a kubeconfig with a fresh token, good for a day, of an existing service account.

        Raises:
            Refused: there is no such service account.
        """
        home = Home(self.name)
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        answer = lifecycle.admin_api(home, lifecycle.read(home)).post(path, body)
        token = answer.json()["status"]["token"]
        return kubeconfig.with_token(self.server, self.ca_pem, service_account, token)

    def down(self) -> None:
        """End every part and delete all files; nothing happens if it is down already."""
        down(self.name)

    def _process(self, part: str) -> Process | None:
        require_part(part)
        return lifecycle.read(Home(self.name)).processes.get(part)

    @contextmanager
    def _changing(self) -> Iterator[Home]:
        home = Home(self.name)
        with home.lock():
            lifecycle.read(home)
            yield home


def up(name: str = "default", kyverno: str = build.DEFAULT_KYVERNO) -> ControlPlane:
    """Bring a control plane up, or what is missing of it; nothing happens if it is up.

    Raises:
        UnknownVersion: this Kyverno is not pinned here.
        BuildFailed: its programs cannot be built.
        OtherVersion: it is up with another Kyverno.
        NotReady: a part died or took too long.
    """
    build.require_version(kyverno)
    home = Home(name)
    with home.lock():
        lifecycle.bring_up(home, kyverno)
        return ControlPlane.find(name)


def down(name: str = "default") -> None:
    """End every process of a control plane, delete its files; nothing happens if it is down."""
    home = Home(name)
    with home.lock():
        lifecycle.take_down(home)
