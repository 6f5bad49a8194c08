"""Keep the control planes of the Kyverno demo up until told to stop, then take them down. Starts once, no retries."""

import argparse
import signal
import subprocess
import sys
from pathlib import Path

NAMES = ("demo-a", "demo-b")
UP = "up"


def control(verb: str, name: str) -> int:
    """Run one command of `controlplane`; its words go to our log."""
    command = [sys.executable, "-m", "controlplane", verb, "--name", name]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.planes", description=__doc__)
    parser.add_argument("marker", type=Path, help="written when all are up")
    options = parser.parse_args(arguments)
    # Blocked first: a signal that comes while a plane starts waits until it can be taken down again.
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        if any(control(UP, name) for name in NAMES):
            return 1
        options.marker.write_text(UP, encoding="ascii")
        signal.sigwait(stops)
        return 0
    finally:
        for name in NAMES:
            control("down", name)


if __name__ == "__main__":
    sys.exit(main())
