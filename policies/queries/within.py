"""Two questions to the database that Django has no word for: is a name among these, and are all names of a list?

The names travel as one parameter, however many there are.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

_SQLITE_NAMES = "(SELECT value FROM json_each(%(names)s))"
_POSTGRES_NAMES = "(SELECT jsonb_array_elements_text(%(names)s::jsonb))"


class _Within(Func):
    """A condition on one expression and a set of names."""

    sqlite = ""
    postgresql = ""

    def __init__(self, expression: Any, names: Iterable[str]) -> None:
        listed = Value(json.dumps(sorted(names)), output_field=TextField())
        super().__init__(expression, listed, output_field=BooleanField())

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **_: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        subject, subject_params = compiler.compile(self.source_expressions[0])
        names, names_params = compiler.compile(self.source_expressions[1])
        is_sqlite = connection.vendor == "sqlite"
        pattern = self.sqlite if is_sqlite else self.postgresql
        among = (_SQLITE_NAMES if is_sqlite else _POSTGRES_NAMES).replace("%(names)s", names)
        sql = pattern.replace("%(subject)s", subject).replace("%(among)s", among)
        return sql, (*subject_params, *names_params)


class Among(_Within):
    """Whether a text is one of these names."""

    sqlite = "%(subject)s IN %(among)s"
    postgresql = sqlite


class AllAmong(_Within):
    """Whether every member of a JSON list is one of these names; so it is said of an empty list."""

    sqlite = (
        "NOT EXISTS (SELECT 1 FROM json_each(%(subject)s) AS each_one"
        " WHERE each_one.value NOT IN %(among)s)"
    )
    postgresql = (
        "NOT EXISTS (SELECT 1 FROM jsonb_array_elements_text(%(subject)s) AS each_one(value)"
        " WHERE each_one.value NOT IN %(among)s)"
    )
