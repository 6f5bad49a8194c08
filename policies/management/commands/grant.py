"""`manage.py grant USER ROLE`: give a role from the command line, such as the first admin's."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.errors import Refused
from policies.actions.grants import Holder, give, scope_of
from policies.domain.authority import Actor, Role, everywhere

CONSOLE = Actor("manage.py grant", grants=everywhere(Role.ADMIN))
"""Whoever can run commands holds the database anyway. The space keeps the name out of reach of every user's."""


class Command(BaseCommand):
    help = "Give a role to a person, or to a group, on everything or on a part of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="a user's name; a group's with --group")
        parser.add_argument("role", choices=[role.value for role in Role])
        parser.add_argument("--group", action="store_true", help="the name is that of a group")
        parser.add_argument("--cluster", default="", help="its name; every cluster without it")
        parser.add_argument("--namespace", default="", help="only in this namespace")
        parser.add_argument(
            "--selector", default="", help="only in namespaces with these labels: team=web"
        )

    def handle(self, *_: object, **options: Any) -> None:
        to = Holder(options["name"], is_group=options["group"])
        try:
            scope = scope_of(
                cluster=options["cluster"],
                namespace=options["namespace"],
                selector=options["selector"],
            )
            give(to=to, role=options["role"], scope=scope, by=CONSOLE, now=timezone.now())
        except Refused as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{to} has the role {options['role']} on {scope}.")
