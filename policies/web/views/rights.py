"""My rights: who am I, what may I do, and where. Open to everybody who is signed in."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from policies.domain.authority import Act
from policies.queries.grants import admin_names, grants_of, namespace_counts
from policies.web.actors import actor_of, permit
from policies.web.gate import open_to_all
from policies.web.htmx import respond
from policies.web.presenters.grants import shown_grant


@require_safe
@open_to_all
@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """Show the roles of this person, where they reach, and what they allow."""
    actor = actor_of(request.user)
    lines = grants_of(request.user) if isinstance(request.user, User) else ()
    counts = namespace_counts(actor)
    context = {
        "grants": tuple(shown_grant(line, counts) for line in lines),
        "is_superuser": getattr(request.user, "is_superuser", False),
        "may_grant": permit(actor, Act.GRANT_ROLES),
        "admins": admin_names(),
    }
    return respond(request, "rights/page.html", "rights/page.html", context)
