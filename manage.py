#!/usr/bin/env python
"""Django's command line for secprof."""

import os
import sys
from importlib import import_module

# These judge files alone. They start without settings, so that CI needs no secret and no database for them.
WITHOUT_SETTINGS = ("check_manifests", "lint_policies")


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in WITHOUT_SETTINGS:
        module = import_module(f"policies.management.commands.{sys.argv[1]}")
        module.Command().run_from_argv(sys.argv)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "secprof_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
