"""The first page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.authority import ALLOWED, Act
from policies.queries.home import home_page
from policies.web.actors import Permit, actor_of, permit, seen_by
from policies.web.htmx import respond
from policies.web.presenters.trail import sentences


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show how much is enforced, who waits for whom, what moves and what is wrong."""
    actor = actor_of(request.user)
    page = home_page(reach=seen_by(request.user), user_id=actor.user_id, now=timezone.now())
    context = {
        "page": page,
        "recent": sentences(page.recent),
        "may_decide": Permit(allowed=bool(actor.roles & ALLOWED[Act.DECIDE_FLIP])),
        "may_add": permit(actor, Act.ADD_CLUSTER),
    }
    return respond(request, "home/page.html", "home/_moving.html", context)
