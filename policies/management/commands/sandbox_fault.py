"""`manage.py sandbox_fault prod engine-down`: break something in a sandbox cluster on purpose."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from policies.actions.connections import sandbox_path
from sandbox.control import Sandbox
from sandbox.faults import Fault


class Command(BaseCommand):
    help = "Break something in a sandbox cluster, to see what the pages say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the sandbox cluster's name")
        parser.add_argument("fault", choices=[*(f.value for f in Fault), "none"])
        parser.add_argument("--target", default="", help="a plural resource name, for some faults")
        parser.add_argument("--amount", type=float, default=0, help="seconds, or a page's number")

    def handle(self, *_: object, **options: object) -> None:
        path = sandbox_path(str(options["name"]))
        if not path.exists():
            raise CommandError(f"There is no sandbox {options['name']}.")
        sandbox = Sandbox(path)
        try:
            if options["fault"] == "none":
                sandbox.clear_faults()
            else:
                fault = Fault(str(options["fault"]))
                amount = float(str(options["amount"]))
                sandbox.set_fault(fault, target=str(options["target"]), amount=amount)
        finally:
            sandbox.close()
        self.stdout.write(f"{options['name']}: {options['fault']}")
