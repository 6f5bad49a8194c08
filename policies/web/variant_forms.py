"""The form of a variant: every parameter as a field. It collects; `Parameters` itself judges, and its words stand beside the fields."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from policies.domain.controls import BASE_CONTROLS, Control, Mechanism, in_order
from policies.domain.library import TEMPLATES, Target, Template
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import (
    PROFILE_TYPES,
    InvalidParameters,
    Parameters,
    ProfileParameters,
)

_PROFILE_FIELDS = ("types", "allowed", "denied", "default", "location")
_PLAIN = {"class": "form-control", "autocomplete": "off", "spellcheck": "false"}


class LinesField(forms.CharField):
    """A list of texts, one a line; empty lines do not count."""

    def __init__(self, **options: Any) -> None:
        attributes = {**_PLAIN, "class": "form-control mono", "rows": 3}
        super().__init__(required=False, widget=forms.Textarea(attributes), **options)

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (super().to_python(value) or "").splitlines())
        return tuple(line for line in lines if line)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(value or ())


class LabelsField(LinesField):
    """Labels, one `key=value` a line; a key alone stands for any value."""

    def to_python(self, value: Any) -> Any:
        parts = (line.partition("=") for line in super().to_python(value))
        return tuple((key.strip(), text.strip()) for key, _, text in parts)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return "\n".join(f"{key}={text}" if text else key for key, text in value or ())


def _choices(values: Iterable[str]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        choices=[(str(value), str(value)) for value in values],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


def _text(**attributes: str) -> forms.CharField:
    return forms.CharField(required=False, widget=forms.TextInput({**_PLAIN, **attributes}))


class ParametersForm(forms.Form):
    """The parameters of a template; what the chosen template does not have is not read."""

    use_required_attribute = False
    """A preview must not wait until every field is filled in."""

    controls = _choices(Control)
    seccomp_types = _choices(PROFILE_TYPES)
    seccomp_allowed = LinesField()
    seccomp_denied = LinesField()
    seccomp_default = _text()
    seccomp_location = _text()
    apparmor_types = _choices(PROFILE_TYPES)
    apparmor_allowed = LinesField()
    apparmor_denied = LinesField()
    apparmor_default = _text()
    apparmor_location = _text()
    apparmor_annotations = forms.BooleanField(required=False)
    excluded_namespaces = LinesField()
    excluded_labels = LabelsField()
    kinds = _choices(WorkloadKind)
    message = forms.CharField(required=False, widget=forms.TextInput(_PLAIN))

    def __init__(
        self, *args: Any, installed: Mapping[Mechanism, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._installed = installed or {}

    def template_of(self, _values: Mapping[str, Any]) -> Template:
        """Say whose parameters these are."""
        raise NotImplementedError

    def forgive_missing(self) -> None:
        """Take back what is said of fields that nobody has come to yet."""
        for name, errors in list(self.errors.items()):
            said = [error for error in errors.as_data() if error.code != "required"]
            if said:
                errors.data[:] = said
            else:
                del self.errors[name]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        try:
            values["parameters"] = self._parameters(values)
        except InvalidParameters as error:
            for name, text in error.problems:
                field = name.replace(".", "_")
                self.add_error(field if field in self.fields else None, text)
        except KeyError:
            # A field that could not be read has said so itself.
            return values
        return values

    def _parameters(self, values: Mapping[str, Any]) -> Parameters:
        template = self.template_of(values)
        profiles = {
            m: self._profiles(values, m) if m in template.mechanisms else ProfileParameters()
            for m in Mechanism
        }
        return Parameters(
            controls=tuple(c for c in in_order(values["controls"]) if c in template.controls),
            seccomp=profiles[Mechanism.SECCOMP],
            apparmor=profiles[Mechanism.APPARMOR],
            apparmor_annotations=values["apparmor_annotations"]
            or Mechanism.APPARMOR not in template.mechanisms,
            excluded_namespaces=values["excluded_namespaces"],
            excluded_labels=values["excluded_labels"],
            kinds=tuple(WorkloadKind(kind) for kind in values["kinds"]),
            message=values["message"],
        )

    def _profiles(self, values: Mapping[str, Any], mechanism: Mechanism) -> ProfileParameters:
        typed = {name: values[f"{mechanism}_{name}"] for name in _PROFILE_FIELDS}
        return ProfileParameters(
            **{**typed, "types": tuple(typed["types"])}, installed=self._installed.get(mechanism)
        )


class VariantForm(ParametersForm):
    """A new variant."""

    cluster = forms.IntegerField()
    name = forms.SlugField(
        max_length=40,
        widget=forms.TextInput(_PLAIN),
        error_messages={"invalid": "Small letters, digits and dashes only."},
    )
    template = forms.ChoiceField(
        choices=[(t.name, t.title) for t in TEMPLATES.values()], widget=forms.RadioSelect
    )
    target = forms.ChoiceField(
        choices=[("", "")] + [(t.value, t.value) for t in Target],
        required=False,
        widget=forms.RadioSelect,
    )

    def template_of(self, values: Mapping[str, Any]) -> Template:
        return TEMPLATES[values["template"]]


class VariantEditForm(ParametersForm):
    """Other parameters for a variant that there is."""

    note = forms.CharField(max_length=2000, widget=forms.TextInput(_PLAIN))
    based_on = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, template: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._template = TEMPLATES[template]

    def template_of(self, _values: Mapping[str, Any]) -> Template:
        return self._template


def typed_parameters(parameters: Parameters) -> dict[str, Any]:
    """Give parameters as they would be typed into the form."""
    values: dict[str, Any] = {
        "controls": parameters.controls,
        "apparmor_annotations": parameters.apparmor_annotations,
        "excluded_namespaces": parameters.excluded_namespaces,
        "excluded_labels": parameters.excluded_labels,
        "kinds": parameters.kinds,
        "message": parameters.message,
    }
    for mechanism in Mechanism:
        part = parameters.of(mechanism)
        values |= {f"{mechanism}_{name}": getattr(part, name) for name in _PROFILE_FIELDS}
    return {name: _typed(ParametersForm.base_fields[name], value) for name, value in values.items()}


def _typed(field: forms.Field, value: Any) -> Any:
    if isinstance(field, forms.MultipleChoiceField):
        return [str(item) for item in value]
    return field.prepare_value(value)


NEW = {
    **typed_parameters(Parameters(controls=BASE_CONTROLS)),
    "template": next(iter(TEMPLATES)),
    "target": "",
}
"""What the form of a new variant begins with."""


def prefilled(query: QueryDict, *, usual_cluster_id: int | None = None) -> dict[str, Any]:
    """Read what an address types into the form: lists by repeating a name or with commas; a template that there is not is left out."""
    values = {
        **NEW,
        "cluster": usual_cluster_id,
        **{name: _read(name, query) for name in VariantForm.base_fields if name in query},
    }
    return values if values["template"] in TEMPLATES else {**values, "template": NEW["template"]}


def _read(name: str, query: QueryDict) -> Any:
    field = VariantForm.base_fields[name]
    if isinstance(field, (forms.MultipleChoiceField, LinesField)):
        parts = [part for text in query.getlist(name) for part in text.split(",") if part]
        return "\n".join(parts) if isinstance(field, LinesField) else parts
    if isinstance(field, forms.BooleanField):
        return query[name] not in {"", "0", "false"}
    return query[name]
