"""Policies on clusters, whoever wrote them: the list, one with its findings, and the lint of pasted text."""

from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from policies.domain.authority import EVERYTHING, Act
from policies.domain.effective import Outcome
from policies.domain.lint import UNKNOWN
from policies.models import ObservedPolicy
from policies.queries.effects import EffectFilter
from policies.queries.freshness import data_strip, fleet_strip
from policies.queries.places import place_of
from policies.queries.policies import PolicyFilter, facts_of, policy_list, policy_page
from policies.web.actors import actor_of, permit, seen_by
from policies.web.htmx import respond
from policies.web.numbers import page_number
from policies.web.policy_forms import LintForm
from policies.web.presenters.policies import linted_manifest, linted_text


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List the policies of all clusters, page by page."""
    query = request.GET
    wanted = PolicyFilter(
        cluster=query.get("cluster", ""),
        kind=query.get("kind", ""),
        written=query.get("written", ""),
        reading=query.get("reading", ""),
        text=query.get("q", "").strip(),
    )
    context = {
        "page": policy_list(
            wanted, reach=seen_by(request.user), page=page_number(query.get("page", ""))
        ),
        "filter": wanted,
        "current_cluster": wanted.cluster,
        "tab": "policies",
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
    }
    return respond(request, "policies/list.html", "policies/_rows.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, cluster: str, kind: str, name: str) -> HttpResponse:
    """Show one policy: its findings, its text, what it does in each namespace, and what our template would write.

    HTMX gets the namespaces alone.
    """
    spaces = EffectFilter(
        outcome=request.GET.get("outcome", ""),
        text=request.GET.get("q", "").strip(),
        page=page_number(request.GET.get("page", "")),
    )
    try:
        page = policy_page(
            reach=seen_by(request.user), cluster=cluster, kind=kind, name=name, spaces=spaces
        )
    except ObservedPolicy.DoesNotExist as error:
        raise Http404("No cluster holds this policy any more.") from error
    found, lines = linted_manifest(page.manifest, page.facts, cluster_id=page.cluster.pk)
    context = {
        "page": page,
        "policy": found,
        "effects": page.effects,
        "outcomes": tuple(Outcome),
        "spaces": spaces,
        "lines": lines,
        "strip": data_strip(page.cluster, now=timezone.now()),
        "current_cluster": page.cluster.name,
        "may_create": permit(actor_of(request.user), Act.CREATE_VARIANT, at=place_of(page.cluster)),
    }
    return respond(request, "policies/detail.html", "policies/_effects.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def lint(request: HttpRequest) -> HttpResponse:
    """Lint a pasted or uploaded text. Nothing is stored, so the answer to the POST is the page itself."""
    clusters = tuple(seen_by(request.user).clusters())
    form = LintForm(request.POST, request.FILES)
    asked = request.method == "POST" and form.is_valid()
    text = form.given() if asked else ""
    chosen = next((c for c in clusters if asked and c.pk == form.cleaned_data["cluster"]), None)
    facts = facts_of(chosen) if chosen else UNKNOWN
    context = {
        "text": text,
        "result": linted_text(text, facts, cluster_id=chosen.pk if chosen else None),
        "is_asked": asked,
        "clusters": clusters,
        "chosen": chosen,
        "may_create": permit(
            actor_of(request.user),
            Act.CREATE_VARIANT,
            at=place_of(chosen) if chosen else EVERYTHING,
        ),
        "tab": "lint",
    }
    return respond(request, "policies/lint.html", "policies/_result.html", context)
