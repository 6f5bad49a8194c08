"""Run pytest the way `make test` and `make contract` do: fetch a browser, and take down what the run brought up.

Prints nothing after pytest's own last line.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from controlplane.state import state_folder

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# tests/scheduling.py says which of the two runs what.
EVERYTHING = ("-n", "2", "--cov", "--cov-report", "term:skip-covered")
CONTRACT = ("tests/contract", "-m", "controlplane", "-n", "2")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.testing", description=__doc__)
    parser.add_argument("--contract", action="store_true", help="the real control plane alone")
    options, passed_on = parser.parse_known_args(arguments)
    if not options.contract:
        fetch_browser()
    before = planes()
    # Ctrl-C is pytest's to answer; we wait for it and clean up. A handler, unlike SIG_IGN, is not inherited.
    signal.signal(signal.SIGINT, lambda *_: None)
    command = [sys.executable, "-m", "pytest", *(CONTRACT if options.contract else EVERYTHING)]
    try:
        return subprocess.run([*command, *passed_on], cwd=ROOT, check=False).returncode
    finally:
        for name in sorted(planes() - before):
            down = [sys.executable, "-m", "controlplane", "down", "--name", name]
            subprocess.run(down, cwd=ROOT, capture_output=True, check=False)


def planes() -> frozenset[str]:
    """Name the control planes that are up or were left behind."""
    return frozenset(path.parent.name for path in state_folder().glob("*/state.json"))


def fetch_browser() -> None:
    """Install Debian's Chromium where that is possible; otherwise its tests skip and say so."""
    if any(map(shutil.which, BROWSERS)):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print("No Chromium; the browser tests will be skipped. On Debian: apt-get install chromium")
        return
    print("Installing Chromium for the browser tests …", flush=True)
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = ["chromium", "fonts-liberation"]
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        result = subprocess.run(
            ["apt-get", "-qq", *words], env=environ, capture_output=True, text=True, check=False
        )
        if result.returncode:
            print(f"apt-get {words[0]} failed, so browser tests may be skipped:\n{result.stderr}")
            return


if __name__ == "__main__":
    sys.exit(main())
