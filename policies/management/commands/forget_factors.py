"""`manage.py forget_factors USER`: take the second factors from somebody who lost them."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.errors import Refused
from policies.actions.factors import forget_factors
from policies.domain.authority import SYSTEM


class Command(BaseCommand):
    help = "Forget all second factors of one user and end their sessions. Be sure who asks for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user's name")

    def handle(self, *_: object, **options: str) -> None:
        try:
            count = forget_factors(user_name=options["user"], by=SYSTEM, now=timezone.now())
        except Refused as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} second factors of {options['user']} are forgotten.")
