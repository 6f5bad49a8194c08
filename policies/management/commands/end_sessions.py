"""`manage.py end_sessions USER`: sign somebody out everywhere."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.errors import Refused
from policies.actions.sessions import end_all_sessions
from policies.domain.authority import SYSTEM


class Command(BaseCommand):
    help = "End every session of one user. To keep them out, make the user inactive, too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user's name")

    def handle(self, *_: object, **options: str) -> None:
        try:
            count = end_all_sessions(user_name=options["user"], by=SYSTEM, now=timezone.now())
        except Refused as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} sessions of {options['user']} have ended.")
