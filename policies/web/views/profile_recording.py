"""Recording profiles with the operator: what to apply, and taking back what it recorded."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from policies.domain.authority import Act
from policies.domain.controls import Mechanism
from policies.domain.profiles import check_profile
from policies.domain.profiles.operator_objects import NotImportable, read_recorded
from policies.domain.profiles.recording import (
    InvalidRecording,
    Merge,
    Recorder,
    Wish,
    read_labels,
    steps,
    warnings,
)
from policies.web.actors import actor_of, permit
from policies.web.htmx import respond
from policies.web.presenters.profiles import MECHANISM_TITLES, shown_imports
from policies.web.profile_forms import ImportForm, RecordingForm

_START = {
    "mechanism": Mechanism.SECCOMP.value,
    "recorder": Recorder.BPF.value,
    "merge": Merge.CONTAINERS.value,
    "name": "my-app",
    "namespace": "my-team",
    "labels": "app=my-app",
}


@require_safe
@login_required
def recording(request: HttpRequest) -> HttpResponse:
    """Show the form, and the steps for what stands in it."""
    typed = {**_START, **request.GET.dict()}
    context: dict[str, Any] = {
        "typed": typed,
        "mechanisms": tuple((m.value, title) for m, title in MECHANISM_TITLES.items()),
        "recorders": tuple(r.value for r in Recorder),
        "merges": tuple(m.value for m in Merge),
        "may_write": permit(actor_of(request.user), Act.WRITE_PROFILE),
    }
    try:
        wish = _wish(RecordingForm(typed))
        context |= {"steps": steps(wish), "warnings": warnings(wish)}
    except InvalidRecording as error:
        context["trouble"] = str(error)
    return respond(request, "profiles/recording.html", "profiles/_steps.html", context)


def _wish(form: RecordingForm) -> Wish:
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise InvalidRecording(f"{field.capitalize()}: {errors[0]}")
    values = form.cleaned_data
    return Wish(
        Mechanism(values["mechanism"]),
        values["name"],
        values["namespace"],
        read_labels(values["labels"]),
        Recorder(values["recorder"]),
        Merge(values["merge"]),
    )


@require_POST
@login_required
def read(request: HttpRequest) -> HttpResponse:
    """Read pasted objects and show each with its checks, ready to be kept."""
    form = ImportForm(request.POST)
    context: dict[str, Any] = {
        "may_write": permit(actor_of(request.user), Act.WRITE_PROFILE),
        "pasted": request.POST.get("objects", ""),
    }
    status = 200
    try:
        found = read_recorded(form.cleaned_data["objects"] if form.is_valid() else "")
        checks = tuple(check_profile(each.mechanism, each.text) for each in found)
        context["imports"] = shown_imports(found, checks)
    except NotImportable as error:
        context["trouble"], status = str(error), 422
    return respond(
        request, "profiles/import.html", "profiles/_imports.html", context, status=status
    )
