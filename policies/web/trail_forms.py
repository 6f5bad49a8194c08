"""The filter of the audit trail as it stands in an address or in the form of an export."""

from datetime import UTC, datetime

from django import forms
from django.http import QueryDict

from policies.queries.trail import TrailFilter

OUTCOMES = ("ok", "refused", "failed")


def _time(label: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        required=False,
        label=label,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"],
        error_messages={"invalid": "This is no time. Write it as 2026-03-01T12:00, in UTC."},
    )


def _text(label: str, length: int) -> forms.CharField:
    return forms.CharField(required=False, max_length=length, label=label)


class TrailFilterForm(forms.Form):
    """What may be asked for; empty fields do not filter."""

    q = _text("Text", 200)
    cluster = _text("Cluster", 63)
    actor = _text("Who", 150)
    verb = _text("What", 40)
    variant = _text("Variant", 63)
    namespace = _text("Namespace", 63)
    outcome = forms.ChoiceField(
        required=False,
        label="Outcome",
        choices=[("", "any"), *((name, name) for name in OUTCOMES)],
        error_messages={"invalid_choice": "An outcome is ok, refused or failed."},
    )
    since = _time("From")
    until = _time("Before")

    @property
    def wanted(self) -> TrailFilter:
        """The filter; call it only on a valid form."""
        values = dict(self.cleaned_data)
        return TrailFilter(text=values.pop("q"), **values)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        return tuple(
            f"{self.fields[name].label}: {error}"
            for name, errors in self.errors.items()
            for error in errors
        )

    @property
    def typed(self) -> dict[str, str]:
        """What was typed, for the fields to show again."""
        return {name: str(self.data.get(name, "")) for name in self.fields}


def read_filter(values: QueryDict) -> TrailFilterForm:
    """Read a filter from an address or a form."""
    form = TrailFilterForm(values)
    form.full_clean()
    return form


def file_name(kind: str, ending: str, now: datetime) -> str:
    """Name a download so that two of them do not collide."""
    return f"secprof-trail-{kind}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{ending}"
