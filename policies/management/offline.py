"""The commands that judge files alone: they start without settings, so that CI needs no secret and no database."""

import sys
from importlib import import_module

COMMANDS = ("check_manifests", "lint_policies")


def run(name: str, arguments: list[str]) -> None:
    """Run one of them as `manage.py` would."""
    module = import_module(f"policies.management.commands.{name}")
    module.Command().run_from_argv([sys.argv[0], name, *arguments])


def check_manifests() -> None:
    """Stand for `manage.py check_manifests` where only the package is installed."""
    run("check_manifests", sys.argv[1:])


def lint_policies() -> None:
    """Stand for `manage.py lint_policies` likewise."""
    run("lint_policies", sys.argv[1:])
