"""The posture of one cluster: what confines each container, and where that comes from."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.queries.freshness import data_strip
from policies.queries.posture import CONTROLS, GRADES, WEAKNESSES, PostureFilter, load_posture
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.presenters.posture import shown_workloads


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the workloads of one cluster."""
    reach = seen_by(request.user)
    clusters = reach.clusters()
    name = request.GET.get("cluster", "")
    cluster = get_object_or_404(clusters, name=name) if name else clusters.first()
    if cluster is None:
        return render(request, "policies/posture/no_cluster.html")
    wanted = read_filter(request.GET)
    page = load_posture(cluster, wanted, reach=reach)
    now = timezone.now()
    context = {
        "cluster": cluster,
        "current_cluster": cluster.name,
        "page": page,
        "workloads": shown_workloads(page, cluster.kubernetes_version),
        "filter": wanted,
        "controls": CONTROLS,
        "grades": GRADES,
        "weaknesses": WEAKNESSES,
        "strip": data_strip(cluster, now=now),
        "shown_at": now,
    }
    return respond(request, "posture/page.html", "posture/_rows.html", context)


def read_filter(query: QueryDict) -> PostureFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    number = query.get("page", "")
    control, grade, weakness = (query.get(key, "") for key in ("control", "grade", "weakness"))
    return PostureFilter(
        team=query.get("team", ""),
        namespace=query.get("namespace", "").strip(),
        control=control if control in CONTROLS else "",
        grade=grade if grade in GRADES else "",
        weakness=weakness if weakness in WEAKNESSES else "",
        page=int(number) if number.isdigit() else 1,
    )
