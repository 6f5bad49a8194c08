"""The editor of custom profiles: a new one, the next version of one, and the check of what was typed so far."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from policies.actions import profiles
from policies.actions.apparmor_check import ask_parser
from policies.actions.errors import Refused
from policies.domain.authority import Act
from policies.domain.controls import Mechanism
from policies.domain.profiles import ABSENT, Check, check_profile
from policies.domain.profiles.examples import EXAMPLES
from policies.models import Profile, ProfileVersion
from policies.queries.profiles import profile_page, version_texts
from policies.web.actors import actor_of, permit
from policies.web.htmx import respond, see_other
from policies.web.numbers import whole_number
from policies.web.presenters.profiles import MECHANISM_TITLES, compared, shown_check
from policies.web.profile_forms import ProfileForm

Saved = TypeVar("Saved", Profile, ProfileVersion)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show an empty editor or an example, or create a profile."""
    if request.method != "POST":
        mechanism = _mechanism(request.GET.get("mechanism", Mechanism.SECCOMP.value))
        text = EXAMPLES[mechanism] if "example" in request.GET else ""
        form = ProfileForm(initial={"mechanism": mechanism.value, "text": text})
        return _editor(request, form, None)
    form = ProfileForm(request.POST, request.FILES)
    profile = _saved(
        form,
        lambda: profiles.create_profile(
            name=form.cleaned_data["name"],
            mechanism=Mechanism(form.cleaned_data["mechanism"]),
            draft=form.draft,
            by=actor_of(request.user),
            now=timezone.now(),
        ),
    )
    if profile is None:
        return _editor(request, form, None, status=422)
    messages.success(request, f"{profile.name} was saved as version 1.")
    return see_other("policies:profile", profile.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Show the last version in the editor, or save the next one."""
    profile = _profile(profile_id)
    if request.method != "POST":
        return _editor(request, ProfileForm(initial=_initial(profile)), profile)
    form = ProfileForm(request.POST, request.FILES)
    version = _saved(
        form,
        lambda: profiles.add_version(
            profile_id=profile.pk,
            base_number=form.cleaned_data["base"] or 0,
            draft=form.draft,
            by=actor_of(request.user),
            now=timezone.now(),
        ),
    )
    if version is None:
        return _editor(request, form, profile, status=422)
    messages.success(request, f"{profile.name} was saved as version {version.number}.")
    return see_other("policies:profile", profile.pk)


@require_POST
@login_required
def check(request: HttpRequest, profile_id: int | None = None) -> HttpResponse:
    """Check what was typed or uploaded so far, without saving it."""
    profile = _profile(profile_id) if profile_id is not None else None
    form = ProfileForm(request.POST, request.FILES)
    status = 200 if form.is_valid() else 422
    return _editor(request, form, profile, status=status)


def _saved(form: ProfileForm, save: Callable[[], Saved]) -> Saved | None:
    """Save what a valid form holds; otherwise the form says why not."""
    if not form.is_valid():
        return None
    try:
        return save()
    except Refused as error:
        form.add_error(None, error.message)
        return None


def _initial(profile: Profile) -> dict[str, Any]:
    page = profile_page(profile, None)
    return {"mechanism": profile.mechanism, "text": page.text, "base": page.shown.number}


def _editor(
    request: HttpRequest, form: ProfileForm, profile: Profile | None, *, status: int = 200
) -> HttpResponse:
    values = _values(form)
    mechanism = Mechanism(profile.mechanism) if profile else _mechanism(values["mechanism"])
    context = {
        "form": form,
        "typed": values,
        "profile": profile,
        "mechanism": mechanism.value,
        "mechanism_title": MECHANISM_TITLES[mechanism],
        "mechanisms": tuple((m.value, title) for m, title in MECHANISM_TITLES.items()),
        "check": shown_check(_checked(mechanism, values["text"]))
        if values["text"].strip()
        else None,
        "overtaken": _overtaken(profile, values),
        "may_write": permit(actor_of(request.user), Act.WRITE_PROFILE),
    }
    return respond(request, "profiles/editor.html", "profiles/_check.html", context, status=status)


def _values(form: ProfileForm) -> dict[str, Any]:
    """Give what stands in the fields: cleaned where it is clean, as it was typed elsewhere."""
    given = form.data if form.is_bound else form.initial
    clean = getattr(form, "cleaned_data", {})
    names = ("name", "mechanism", "text", "origin", "note", "base")
    return {name: clean.get(name) or given.get(name) or "" for name in names}


def _checked(mechanism: Mechanism, text: str) -> Check:
    parser = ask_parser(text) if mechanism is Mechanism.APPARMOR else ABSENT
    return check_profile(mechanism, text, parser)


def _overtaken(profile: Profile | None, values: dict[str, Any]) -> dict[str, Any] | None:
    """Compare with the last version when somebody else saved it in the meantime."""
    base = whole_number(str(values["base"]))
    if profile is None or base is None:
        return None
    last = profile_page(profile, None)
    if base >= last.shown.number:
        return None
    texts = version_texts(profile, (base, last.shown.number))
    return {
        "author": last.shown.author,
        "base": base,
        "number": last.shown.number,
        "shown": compared(texts.get(base, ""), last.text),
    }


def _profile(profile_id: int) -> Profile:
    return get_object_or_404(
        Profile.objects.select_related("created_by", "retired_by"), pk=profile_id
    )


def _mechanism(value: str) -> Mechanism:
    try:
        return Mechanism(value)
    except ValueError as error:
        raise Http404 from error
