"""The forms of custom profiles: they turn what was typed or uploaded into clean values, and know no rule of them."""

from typing import Any

from django import forms

from policies.actions.profiles import Draft, Origin
from policies.domain.controls import Mechanism
from policies.domain.profiles import MAX_BYTES
from policies.domain.profiles.recording import Merge, Recorder

TOO_LARGE = "The file is larger than 1 MiB."


class ProfileForm(forms.Form):
    """The editor: a text, or a file that takes its place."""

    name = forms.CharField(required=False, max_length=63)
    mechanism = forms.ChoiceField(choices=[(m.value, m.value) for m in Mechanism])
    text = forms.CharField(required=False, strip=False, widget=forms.Textarea)
    origin = forms.ChoiceField(choices=Origin.choices, required=False)
    note = forms.CharField(required=False, max_length=200)
    base = forms.IntegerField(required=False, min_value=1)
    upload = forms.FileField(required=False, allow_empty_file=True)

    def clean_text(self) -> str:
        """Undo what browsers do to the ends of lines."""
        text: str = self.cleaned_data["text"]
        return text.replace("\r\n", "\n")

    def clean_upload(self) -> str | None:
        """Read an uploaded file as text."""
        upload = self.cleaned_data["upload"]
        if upload is None:
            return None
        if upload.size > MAX_BYTES:
            raise forms.ValidationError(TOO_LARGE)
        try:
            text: str = upload.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is no text in UTF-8.") from None
        return text.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Let an uploaded file take the place of the text."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("upload") is not None:
            values["text"] = values["upload"]
            values["origin"] = Origin.UPLOADED.value
        return values

    @property
    def draft(self) -> Draft:
        """Give what a valid form wants to save."""
        values = self.cleaned_data
        return Draft(values["text"], Origin(values["origin"] or Origin.TYPED), values["note"])


class RecordingForm(forms.Form):
    """What somebody wants to record."""

    mechanism = forms.ChoiceField(choices=[(m.value, m.value) for m in Mechanism])
    recorder = forms.ChoiceField(choices=[(r.value, r.value) for r in Recorder])
    merge = forms.ChoiceField(choices=[(m.value, m.value) for m in Merge])
    name = forms.CharField(max_length=63)
    namespace = forms.CharField(max_length=63)
    labels = forms.CharField(max_length=500)


class ImportForm(forms.Form):
    """Objects that the operator recorded, pasted or uploaded."""

    objects = forms.CharField(strip=False, widget=forms.Textarea)
