"""The forms with which pools and profiles are declared: they turn what was typed into clean values."""

from django import forms

from policies.domain.controls import Mechanism
from policies.domain.inventory import Availability

MECHANISM_TITLES = {Mechanism.SECCOMP: "seccomp", Mechanism.APPARMOR: "AppArmor"}
AVAILABILITY_TITLES = {
    Availability.YES: "available",
    Availability.NO: "not available",
    Availability.UNKNOWN: "not known",
}
_MECHANISMS = [(m.value, title) for m, title in MECHANISM_TITLES.items()]
_AVAILABILITIES = [(a.value, title) for a, title in AVAILABILITY_TITLES.items()]


class PoolForm(forms.Form):
    """A pool of nodes."""

    name = forms.CharField(max_length=63)
    selector = forms.CharField(required=False, max_length=4000)
    apparmor = forms.ChoiceField(choices=_AVAILABILITIES, initial=Availability.UNKNOWN.value)
    complete = forms.MultipleChoiceField(choices=_MECHANISMS, required=False)

    def clean_selector(self) -> dict[str, str]:
        """Read labels, one a line or with commas between, as `key=value`."""
        labels = {}
        for line in self.cleaned_data["selector"].replace(",", "\n").splitlines():
            key, equals, value = (part.strip() for part in line.partition("="))
            if equals and key:
                labels[key] = value
            elif line.strip():
                raise forms.ValidationError(f"Write a label as key=value, not “{line.strip()}”.")
        return labels


class DeclaredProfileForm(forms.Form):
    """A profile of a pool."""

    mechanism = forms.ChoiceField(choices=_MECHANISMS)
    value = forms.CharField(max_length=1000)
