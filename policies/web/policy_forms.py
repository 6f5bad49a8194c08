"""What somebody gives to the lint: a pasted text or a file, and the cluster that it is for."""

from django import forms

from policies.domain.lint.documents import SIZE_LIMIT


class LintForm(forms.Form):
    """A text to lint. The file counts when there is one."""

    text = forms.CharField(required=False, strip=False)
    upload = forms.FileField(required=False)
    cluster = forms.IntegerField(required=False)

    def given(self) -> str:
        """Give the text; of a file what reads as UTF-8, and at most what the lint takes."""
        upload = self.cleaned_data.get("upload")
        if upload is None:
            return str(self.cleaned_data.get("text") or "")
        return str(upload.read(SIZE_LIMIT + 1).decode("utf-8", errors="replace"))
