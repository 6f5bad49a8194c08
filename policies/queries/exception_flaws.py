"""Exceptions that ought not to be as they are."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from policies.models import ExceptionRequest
from policies.queries.exceptions import Show


def flawed(found: QuerySet[ExceptionRequest], *, now: datetime) -> dict[Show, tuple[UUID, ...]]:
    return {Show.UNNEEDED: (), Show.HONOURED: (), Show.WIDE: ()}
