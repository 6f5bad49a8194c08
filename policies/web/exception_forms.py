"""The forms of an exception: asking, deciding, ending. They collect; the actions judge."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms

from policies.domain.exemptions import WorkloadName
from policies.domain.objects import WorkloadKind

_PLAIN = {"class": "form-control", "autocomplete": "off"}
_LAST_MOMENT = time(23, 59, tzinfo=UTC)
_NO_END = "Give an end: no exception lasts for ever."
NAMEABLE_KINDS = tuple(kind for kind in WorkloadKind if kind is not WorkloadKind.POD_TEMPLATE)
MANY = 200
"""More workloads than anybody means when they ask for an exception."""


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea({**_PLAIN, "rows": rows, "maxlength": 2000})


def end_of(day: date) -> datetime:
    """Give the last moment of a day, UTC: an exception that ends on a day lasts through it."""
    return datetime.combine(day, _LAST_MOMENT)


def last_day(now: datetime, most: timedelta) -> date:
    """Give the last day that ends within this span."""
    day = (now + most).date()
    return day if end_of(day) <= now + most else day - timedelta(days=1)


def typed_workload(name: WorkloadName) -> str:
    """Write a workload as the forms and addresses do: `Deployment/ftp`."""
    return f"{name.kind}/{name.name}"


def read_workload(text: str) -> WorkloadName:
    """Read what `typed_workload` wrote. Raises ValueError."""
    kind, slash, name = text.partition("/")
    if not slash or not name or len(name) > 253:
        raise ValueError(f"{text} names no workload.")
    return WorkloadName(WorkloadKind(kind), name)


class WorkloadsField(forms.Field):
    """Ticked workloads, each `Kind/name`."""

    widget = forms.CheckboxSelectMultiple

    def to_python(self, value: Any) -> tuple[WorkloadName, ...]:
        texts = [value] if isinstance(value, str) else list(value or ())
        if len(texts) > MANY:
            raise forms.ValidationError(f"More than {MANY} workloads: exempt fewer.")
        try:
            return tuple(sorted({read_workload(text) for text in texts}))
        except ValueError as error:
            raise forms.ValidationError("Choose from the workloads of the namespace.") from error

    def validate(self, value: Any) -> None:
        """None ticked may still be right: one can be named below."""


class DayField(forms.DateField):
    """A day, as the moment at which it is over."""

    widget = forms.DateInput({**_PLAIN, "type": "date"}, format="%Y-%m-%d")

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        return end_of(day) if day is not None else None


class WishForm(forms.Form):
    """What somebody wants exempted, why and until when."""

    use_required_attribute = False
    """A preview and a draft must not wait until every field is filled in."""

    workloads = WorkloadsField(required=False)
    more_kind = forms.ChoiceField(
        choices=[(kind.value, kind.value) for kind in NAMEABLE_KINDS],
        required=False,
        widget=forms.Select({"class": "form-select"}),
        error_messages={"invalid_choice": "Choose a kind from the list."},
    )
    more_name = forms.CharField(
        required=False,
        max_length=253,
        widget=forms.TextInput({**_PLAIN, "class": "form-control mono", "spellcheck": "false"}),
    )
    reason = forms.CharField(
        widget=_area(4),
        max_length=2000,
        error_messages={"required": "Say why: whoever decides will read it."},
    )
    compensating_control = forms.CharField(required=False, widget=_area(2), max_length=2000)
    ticket = forms.CharField(required=False, max_length=200, widget=forms.TextInput(_PLAIN))
    ends_at = DayField(error_messages={"required": _NO_END, "invalid": "Give a day: 2027-01-31."})
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, controls: Iterable[str], last: date, **options: Any) -> None:
        super().__init__(*args, **options)
        self._last = last
        self.fields["controls"] = forms.MultipleChoiceField(
            choices=[(control, control) for control in controls],
            required=False,
            error_messages={"invalid_choice": "Choose from the rules of the policy."},
        )
        self.fields["ends_at"].widget.attrs["max"] = last.isoformat()

    def clean_more_name(self) -> str:
        name = self.cleaned_data["more_name"].strip()
        if any(sign in name for sign in "*?/ "):
            raise forms.ValidationError(
                "One exact name: signs that stand for others would exempt what nobody looked at."
            )
        return name

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        named = values.get("workloads")
        if named is None or "more_name" not in values:
            return values
        if values["more_name"]:
            kind = WorkloadKind(values.get("more_kind") or WorkloadKind.DEPLOYMENT)
            named = tuple(sorted({*named, WorkloadName(kind, values["more_name"])}))
        values["named"] = named
        if not named:
            self.add_error(
                "workloads",
                forms.ValidationError("Choose at least one workload.", code="required"),
            )
        return values

    def forgive_missing(self) -> None:
        """Take back what is said of fields that nobody has come to yet."""
        for name, errors in list(self.errors.items()):
            said = [error for error in errors.as_data() if error.code != "required"]
            if said:
                errors.data[:] = said
            else:
                del self.errors[name]


class DecisionForm(forms.Form):
    """What somebody agrees to: which of the workloads, and until when."""

    use_required_attribute = False
    revision = forms.IntegerField(widget=forms.HiddenInput)
    workloads = WorkloadsField(required=False)
    ends_at = DayField(required=False, error_messages={"invalid": "Give a day: 2027-01-31."})
    comment = forms.CharField(
        widget=_area(3),
        max_length=2000,
        error_messages={"required": "Say why: the person who asked will read it."},
    )
