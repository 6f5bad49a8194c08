"""Bring the demo's database, static files and seed up to date, in one process: three starts of Django take longer."""

import argparse
import os
import sys
from pathlib import Path

import django
from django.core.management import call_command

PAST_DAYS = 29
"""Days before today that prod has been collected on: with today it is the usual range of a trend."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.prepare", description=__doc__)
    parser.add_argument("--kyverno", action="store_true")
    options = parser.parse_args(arguments)
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    Path(os.environ["SECPROF_STATIC_ROOT"]).mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    if options.kyverno:
        from launch.company import fill

        listed = Path(os.environ["SECPROF_STATE_DIR"]) / "kubeconfigs"
        for kubeconfig in listed.read_text(encoding="utf-8").splitlines():
            fill(Path(kubeconfig))
    call_command("seed_demo", *(["--kyverno"] if options.kyverno else [f"--days={PAST_DAYS}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
