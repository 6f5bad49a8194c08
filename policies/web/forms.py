"""Small forms: they turn what was typed into clean values, and know no rule of the domain."""

from django import forms

_PASTED = {"rows": 10, "class": "form-control mono", "spellcheck": "false", "autocomplete": "off"}


def _text_input(**attributes: str) -> forms.TextInput:
    return forms.TextInput(
        attrs={"class": "form-control", "autocomplete": "off", "spellcheck": "false", **attributes}
    )


class CredentialForm(forms.Form):
    """A pasted kubeconfig, and which of its contexts counts."""

    kubeconfig = forms.CharField(widget=forms.Textarea(attrs=_PASTED), strip=False)
    context = forms.CharField(required=False, max_length=253, widget=_text_input())


class ClusterForm(CredentialForm):
    """A new cluster."""

    field_order = ("name", "kubeconfig", "context")
    name = forms.SlugField(
        max_length=63,
        widget=_text_input(),
        error_messages={"invalid": "Small letters, digits and dashes only, such as prod-eu."},
    )
