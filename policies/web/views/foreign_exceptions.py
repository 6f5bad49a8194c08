"""An exception on a cluster that secprof did not make: what it exempts, and adopting it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.authority import Act, Place
from policies.domain.plans import manifest_text
from policies.queries.foreign_exceptions import adopted_name, foreign, foreign_page
from policies.queries.freshness import data_strip
from policies.web.actors import actor_of, permit, permit_on_any, seen_by
from policies.web.htmx import respond
from policies.web.presenters.foreign_exceptions import removal, shown_foreign


@require_safe
@login_required
def detail(request: HttpRequest, exception_id: int) -> HttpResponse:
    """Show one of them."""
    reach = seen_by(request.user)
    row = get_object_or_404(foreign(reach), pk=exception_id)
    page = foreign_page(row, reach=reach)
    places = [Place(row.cluster.name, name, labels) for name, labels in page.namespaces]
    context = {
        "page": page,
        "shown": shown_foreign(page.row),
        "text": manifest_text(page.manifest),
        "removal": removal(page),
        "removes": adopted_name(row),
        "may_remove": permit(actor_of(request.user), Act.REQUEST_FLIP, at=Place(row.cluster.name)),
        "strip": data_strip(row.cluster, now=timezone.now()),
        "current_cluster": row.cluster.name,
        "may_adopt": permit_on_any(actor_of(request.user), Act.REQUEST_EXCEPTION, places),
    }
    return respond(request, "exceptions/foreign.html", "exceptions/foreign.html", context)
