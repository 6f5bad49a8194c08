"""Run a management command inside the demo's installation: `python -m launch.manage sandbox_fault prod engine-down`."""

import os
import sys

from launch import broker
from launch.demo import ROOT, installation


def main(arguments: list[str]) -> None:
    place = installation(os.environ, kyverno=False)
    if not place.directory.exists():
        sys.exit(f"There is no demo in {place.directory}; run `make demo` first.")
    chosen = broker.choose(place.directory, os.environ)
    environ = place.environ(os.environ, broker_url=chosen.url, kyverno=False)
    environ["SECPROF_LOG_LEVEL"] = "WARNING"
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *arguments], environ)


if __name__ == "__main__":
    main(sys.argv[1:])
