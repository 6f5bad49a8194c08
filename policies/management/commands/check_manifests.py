"""`manage.py check_manifests PATH… | -`: judge manifests in CI or before a commit. Asks no database and no cluster."""

import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from policies.domain.controls import BASE_CONTROLS, Control, in_order
from policies.domain.facts import NEWEST_KUBERNETES, ClusterFacts
from policies.domain.manifests import FORMATS, Checker
from policies.domain.parameters import InvalidParameters, Parameters
from policies.management.manifest_files import read_all

NOT_UNDERSTOOD = 2
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)(?:[.+-].*)?")


class Command(BaseCommand):
    help = (
        "Judge manifests by secprof's controls. Exits with 0 when nothing fails, 1 when something does,"
        " 2 when some input was not understood; the rest is still checked."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, or - for stdin")
        parser.add_argument(
            "--control",
            action="append",
            choices=[control.value for control in Control],
            metavar="ID",
            help="judge by this control; may stand several times. Default: those of the parameters,"
            f" or {', '.join(BASE_CONTROLS)}",
        )
        newest = "{}.{}".format(*NEWEST_KUBERNETES)
        parser.add_argument(
            "--kubernetes", default=newest, metavar="VERSION", help=f"such as {newest}, the default"
        )
        parser.add_argument("--parameters", metavar="FILE", help="a template's, as YAML or JSON")
        parser.add_argument("--output", choices=tuple(FORMATS), default="text")

    def handle(self, *_: object, **options: Any) -> None:
        parameters, controls = _asked(options["parameters"], options["control"])
        facts = ClusterFacts(kubernetes=_version(options["kubernetes"]))
        checker = Checker(parameters, controls, facts)
        for path, content in read_all(options["paths"]):
            if isinstance(content, str):
                checker.refuse(path, content)
            else:
                checker.check(path, content)
        self.stdout.write(FORMATS[options["output"]](checker.report).decode(), ending="")
        if checker.report.exit_code:
            sys.exit(checker.report.exit_code)


def _asked(
    parameters_file: str | None, names: list[str] | None
) -> tuple[Parameters, tuple[Control, ...]]:
    """Give the parameters, and the controls to show: a control that another one implies is not asked for."""
    stored = _stored(parameters_file) if parameters_file else {}
    if names:
        stored["controls"] = list(names)
    stored.setdefault("controls", [control.value for control in BASE_CONTROLS])
    try:
        parameters = Parameters.from_json(stored)
    except InvalidParameters as error:
        text = "\n".join(f"{parameters_file}: {name}: {what}" for name, what in error.problems)
        raise CommandError(text, returncode=NOT_UNDERSTOOD) from error
    return parameters, in_order(names) if names else parameters.controls


def _stored(path: str) -> dict[str, Any]:
    try:
        stored = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"{path}: {error}", returncode=NOT_UNDERSTOOD) from error
    if not isinstance(stored, dict):
        raise CommandError(
            f"{path}: parameters: Write names and values.", returncode=NOT_UNDERSTOOD
        )
    return stored


def _version(text: str) -> tuple[int, int]:
    found = _VERSION.fullmatch(text)
    if found is None:
        raise CommandError(
            f"--kubernetes: {text!r} is no version: write it as 1.30.", returncode=NOT_UNDERSTOOD
        )
    return int(found.group(1)), int(found.group(2))
