#!/usr/bin/env python
"""Django's command line for secprof."""

import os
import sys

from policies.management import offline


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in offline.COMMANDS:
        offline.run(sys.argv[1], sys.argv[2:])
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "secprof_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
