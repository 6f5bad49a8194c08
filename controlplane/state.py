"""What is written down about each control plane, outside the checkout: its folder, ports, processes."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from controlplane.errors import ControlPlaneError
from controlplane.processes import Process

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class BadName(ControlPlaneError):
    """The name of a control plane is not fit for a folder."""


class Damaged(ControlPlaneError):
    """A state file cannot be read."""


@dataclass(frozen=True, slots=True)
class State:
    """One control plane: `ready` says that its first start went through to the end."""

    kyverno: str
    ports: Mapping[str, int]
    processes: Mapping[str, Process] = field(default_factory=dict)
    ready: bool = False

    def to_json(self) -> str:
        """Render this record for its file."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "State":
        """Read what `to_json` wrote.

        Raises:
            Damaged: the text is something else.
        """
        try:
            fields = json.loads(text)
            processes = {part: Process(**entry) for part, entry in fields["processes"].items()}
            return cls(fields["kyverno"], fields["ports"], processes, fields["ready"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged("It is not the state of a control plane.") from error


@dataclass(frozen=True, slots=True)
class Home:
    """Where one control plane keeps its files."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadName(f"{self.name!r} is no name: use a-z, 0-9 and -, at most 40 of them.")

    @property
    def folder(self) -> Path:
        return state_folder() / self.name

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def kubeconfig_of(self, part: str) -> Path:
        """Return the kubeconfig that one part of the plane itself uses."""
        return self.pki / f"{part}.kubeconfig"

    def log(self, part: str) -> Path:
        """Return the file with one part's output."""
        return self.folder / "logs" / f"{part}.log"

    def create(self) -> None:
        """Make the folders, for the owner's eyes only."""
        for folder in (self.folder, self.pki, self.etcd, self.folder / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Delete every file of this control plane."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self) -> State | None:
        """Return what is written down, or None if there is no such control plane.

        Raises:
            Damaged: the file is not ours, or not whole.
        """
        path = self._file
        try:
            return State.from_json(path.read_text())
        except FileNotFoundError:
            return None
        except Damaged as error:
            raise Damaged(f"{path} is damaged; end its processes by hand and delete it.") from error

    def write(self, state: State) -> None:
        """Replace what is written down, in one step."""
        partial = self._file.with_suffix(".partial")
        partial.write_text(state.to_json())
        partial.replace(self._file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this control plane against other processes that would change it."""
        with _locked(f".{self.name}.lock"):
            yield

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"


def state_folder() -> Path:
    """Return the folder that holds all control planes."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "secprof" / "controlplane"


@contextmanager
def port_lock() -> Iterator[frozenset[int]]:
    """Hold the right to reserve ports, and yield those that are reserved."""
    with _locked(".ports.lock"):
        names = (path.parent.name for path in state_folder().glob("*/state.json"))
        states = (Home(name).read() for name in names)
        yield frozenset(port for state in states if state for port in state.ports.values())


@contextmanager
def _locked(name: str) -> Iterator[None]:
    state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state_folder() / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
