"""The form with which a role is given: it turns what was typed into a holder and a scope."""

from typing import Any

from django import forms

from policies.actions.errors import Refused
from policies.actions.grants import NAME_LENGTH, Holder, scope_of
from policies.domain.authority import Role, Scope
from policies.domain.selectors import LONGEST
from policies.web.presenters.grants import ROLE_TITLES

HOLDERS = (("person", "a person"), ("group", "a group"))
EVERYTHING, CLUSTER, NAMESPACE, LABELS = "everything", "cluster", "namespace", "labels"
PARTS = (
    (EVERYTHING, "everything"),
    (CLUSTER, "one cluster as a whole"),
    (NAMESPACE, "one namespace, by its name"),
    (LABELS, "namespaces, by their labels"),
)
_ROLES = [(role.value, ROLE_TITLES[role]) for role in Role]


class GrantForm(forms.Form):
    """Who gets which role, on what."""

    holder = forms.ChoiceField(choices=HOLDERS, initial="person")
    name = forms.CharField(max_length=NAME_LENGTH)
    role = forms.ChoiceField(choices=_ROLES, initial=Role.VIEWER.value)
    part = forms.ChoiceField(
        choices=PARTS, error_messages={"required": "Say on what: everything, or a part of it."}
    )
    cluster = forms.CharField(required=False, max_length=63)
    namespace = forms.CharField(required=False, max_length=63)
    selector = forms.CharField(required=False, max_length=LONGEST)

    def clean(self) -> dict[str, Any]:
        """Hold what was typed against what was chosen: a field that would be left out is an error."""
        values = super().clean() or self.cleaned_data
        part = values.get("part")
        if part == EVERYTHING:
            self._must_be_empty(values, ("cluster", "namespace", "selector"))
        elif part == CLUSTER:
            self._needs(values, "cluster", "Choose the cluster.")
            self._must_be_empty(values, ("namespace", "selector"))
        elif part == NAMESPACE:
            self._needs(values, "namespace", "Name the namespace.")
            self._must_be_empty(values, ("selector",))
        elif part == LABELS:
            self._needs(values, "selector", "Write the labels, such as team=web.")
            self._must_be_empty(values, ("namespace",))
        if part and not self.errors.keys() & {"cluster", "namespace", "selector"}:
            self._read_scope(values)
        return values

    def holder_chosen(self) -> Holder:
        """Give the person or group that was named."""
        values = self.cleaned_data
        return Holder(values["name"], is_group=values["holder"] == "group")

    def scope_chosen(self) -> Scope | None:
        """Give the scope that was chosen, whatever else is missing; None when it is none."""
        return self.cleaned_data.get("scope")

    def _needs(self, values: dict[str, Any], field: str, sentence: str) -> None:
        if not values.get(field) and field not in self.errors:
            self.add_error(field, sentence)

    def _must_be_empty(self, values: dict[str, Any], fields: tuple[str, ...]) -> None:
        for field in fields:
            if values.get(field):
                self.add_error(field, "Not part of what was chosen above: leave this empty.")

    def _read_scope(self, values: dict[str, Any]) -> None:
        try:
            values["scope"] = scope_of(
                cluster=values.get("cluster", ""),
                namespace=values.get("namespace", ""),
                selector=values.get("selector", ""),
            )
        except Refused as error:
            field = "selector" if values.get("part") == LABELS else "namespace"
            self.add_error(field, error.message)
