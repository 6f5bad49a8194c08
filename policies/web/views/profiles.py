"""Custom profiles: the list, one with its checks and versions, downloads, and taking one out of use."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import profiles
from policies.actions.errors import Refused
from policies.domain.authority import Act
from policies.domain.controls import Mechanism
from policies.domain.profiles.apparmor_abstract import NotExportable
from policies.domain.profiles.operator_objects import APPARMOR_VERSIONS, SECCOMP_VERSIONS, export
from policies.models import Profile, ProfileVersion
from policies.queries.profiles import ProfilePage, profile_page, profile_rows, version_texts
from policies.web.actors import actor_of, permit
from policies.web.htmx import respond, see_other
from policies.web.numbers import whole_number
from policies.web.presenters.profiles import (
    MECHANISM_TITLES,
    compared,
    exports,
    numbered,
    shown_check,
    tables,
    uses,
)


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List profiles by mechanism, and those that were retired."""
    rows = profile_rows()
    context = {
        "tables": tables(rows),
        "retired": tuple(row for row in rows if row.retired_at),
        "may_write": permit(actor_of(request.user), Act.WRITE_PROFILE),
    }
    return respond(request, "profiles/list.html", "profiles/_tables.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Show one profile in one version: its text, its checks, how to use it, and a comparison."""
    profile = _profile(profile_id)
    page = _page(profile, _number(request, "version"))
    lines, more_lines = numbered(page.text, page.check.findings)
    context = {
        "page": page,
        "mechanism_title": MECHANISM_TITLES[page.mechanism],
        "check": shown_check(page.check),
        "lines": lines,
        "more_line_count": more_lines,
        "uses": uses(page.mechanism, page.name, page.check),
        "exports": exports(page.mechanism, page.name, page.text),
        "is_last": page.shown.number == page.versions[0].number,
        "comparison": _comparison(request, profile, page),
        "may_write": permit(actor_of(request.user), Act.WRITE_PROFILE),
    }
    return respond(request, "profiles/detail.html", "profiles/_compare.html", context)


@require_safe
@login_required
def download(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Give a version as the file that nodes read, or as an object of the operator."""
    page = _page(_profile(profile_id), _number(request, "version"))
    version = request.GET.get("object")
    if version is None:
        is_seccomp = page.mechanism is Mechanism.SECCOMP
        name = f"{page.name}.json" if is_seccomp else page.name
        return _file(page.text, name, "application/json" if is_seccomp else "text/plain")
    if version not in {*SECCOMP_VERSIONS, *APPARMOR_VERSIONS}:
        raise Http404
    try:
        made = export(page.mechanism, page.name, page.text, version)
    except NotExportable as error:
        raise Refused(str(error)) from error
    return _file(made.text, f"{page.name}.{made.kind.lower()}.yaml", "application/yaml")


@require_POST
@login_required
def retire(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Take a profile out of use."""
    _profile(profile_id)
    profile = profiles.retire_profile(
        profile_id=profile_id, by=actor_of(request.user), now=timezone.now()
    )
    messages.success(request, f"{profile.name} is retired. Its versions stay readable.")
    return see_other("policies:profiles")


def _profile(profile_id: int) -> Profile:
    return get_object_or_404(
        Profile.objects.select_related("created_by", "retired_by"), pk=profile_id
    )


def _page(profile: Profile, number: int | None) -> ProfilePage:
    try:
        return profile_page(profile, number)
    except ProfileVersion.DoesNotExist as error:
        raise Http404 from error


def _number(request: HttpRequest, key: str) -> int | None:
    value = request.GET.get(key, "")
    if not value:
        return None
    number = whole_number(value)
    if number is None:
        raise Http404
    return number


def _comparison(request: HttpRequest, profile: Profile, page: ProfilePage) -> dict[str, object]:
    last = page.versions[0].number
    after = _number(request, "after") or last
    before = _number(request, "before") or max(1, after - 1)
    texts = version_texts(profile, (before, after))
    if {before, after} - texts.keys():
        raise Http404
    return {"before": before, "after": after, "shown": compared(texts[before], texts[after])}


def _file(text: str, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type=f"{content_type}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )
