"""The command line: `python -m controlplane up`. Progress goes to stderr, results to stdout."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from controlplane.build import DEFAULT_KYVERNO, build, kubectl, kyverno_versions
from controlplane.errors import ControlPlaneError
from controlplane.parts import PARTS
from controlplane.plane import ControlPlane, down, up
from controlplane.processes import Condition


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 1 if it failed or a part does not run."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return _COMMANDS[chosen.command](chosen)
    except ControlPlaneError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    texts = {
        "build": "build the programs, so that `up` is quick",
        "kubectl": "build kubectl if need be and print its path",
        "up": "start a control plane and print the path of its kubeconfig",
        "down": "end it and delete its files",
        "status": "print part, process id, condition and port",
        "kubeconfig": "print the path of its kubeconfig",
        "restart": "stop all parts and start them again; objects stay",
        "stop-part": "stop one part",
        "start-part": "start one part again on its port",
    }
    for command, text in texts.items():
        subparser = commands.add_parser(command, help=text)
        if command in {"build", "up"}:
            known = ", ".join(kyverno_versions())
            subparser.add_argument(
                "--kyverno", default=DEFAULT_KYVERNO, metavar="VERSION", help=f"one of {known}"
            )
        if command not in {"build", "kubectl"}:
            subparser.add_argument("--name", default="default", help="there may be several")
        if command.endswith("-part"):
            subparser.add_argument("part", choices=PARTS)
    return parser


def _build(chosen: argparse.Namespace) -> int:
    programs = build(chosen.kyverno)
    for folder in (programs.etcd, programs.kubernetes, programs.kyverno):
        print(folder)
    return 0


def _kubectl(_chosen: argparse.Namespace) -> int:
    print(kubectl())
    return 0


def _up(chosen: argparse.Namespace) -> int:
    print(up(chosen.name, chosen.kyverno).kubeconfig)
    return 0


def _down(chosen: argparse.Namespace) -> int:
    down(chosen.name)
    return 0


def _status(chosen: argparse.Namespace) -> int:
    plane = ControlPlane.find(chosen.name)
    print(f"{plane.name}: Kyverno {plane.kyverno}, {plane.server}")
    statuses = plane.status()
    for status in statuses:
        print(f"{status.part:20}{status.pid or '-':>8}  {status.condition:9}{status.port}")
    return int(any(status.condition is Condition.GONE for status in statuses))


def _kubeconfig(chosen: argparse.Namespace) -> int:
    print(ControlPlane.find(chosen.name).kubeconfig)
    return 0


def _restart(chosen: argparse.Namespace) -> int:
    ControlPlane.find(chosen.name).restart()
    return 0


def _stop_part(chosen: argparse.Namespace) -> int:
    ControlPlane.find(chosen.name).stop(chosen.part)
    return 0


def _start_part(chosen: argparse.Namespace) -> int:
    ControlPlane.find(chosen.name).start(chosen.part)
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "build": _build,
    "kubectl": _kubectl,
    "up": _up,
    "down": _down,
    "status": _status,
    "kubeconfig": _kubeconfig,
    "restart": _restart,
    "stop-part": _stop_part,
    "start-part": _start_part,
}

if __name__ == "__main__":
    sys.exit(main())
