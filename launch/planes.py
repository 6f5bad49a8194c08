"""Keep the control planes of the Kyverno demo up until told to stop, then stop them. Starts them once, no retries.

Their files stay, so that the next start finds the same clusters.
"""

import argparse
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from controlplane import ControlPlane, ControlPlaneError, down
from controlplane.parts import PARTS

NAMES = ("demo-a", "demo-b")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.planes", description=__doc__)
    parser.add_argument("list", type=Path, help="gets the kubeconfigs' paths when all are up")
    parser.add_argument("--fresh", action="store_true", help="delete what an earlier demo left")
    options = parser.parse_args(arguments)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if options.fresh:
        for name in NAMES:
            down(name)
    try:
        if not all(bring_up(name, stopping) for name in NAMES):
            return 0 if stopping.is_set() else 1
        partial = options.list.with_suffix(".partial")
        partial.write_text("".join(f"{ControlPlane.find(name).kubeconfig}\n" for name in NAMES))
        partial.replace(options.list)
        stopping.wait()
        return 0
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(stop, NAMES))


def bring_up(name: str, stopping: threading.Event) -> bool:
    """Start one control plane, unless told to stop meanwhile; say whether it is up."""
    command = [sys.executable, "-m", "controlplane", "up", "--name", name]
    # A process of its own can be interrupted while it builds, and ends its compilers then.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while process.poll() is None:
        if stopping.wait(0.1):
            process.send_signal(signal.SIGINT)
            process.wait()
    return process.returncode == 0 and not stopping.is_set()


def stop(name: str) -> None:
    """Stop the parts that run, last started first; their ports and files stay."""
    try:
        plane = ControlPlane.find(name)
        for part in reversed(PARTS):
            plane.stop(part)
    except ControlPlaneError as error:
        print(f"{name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
