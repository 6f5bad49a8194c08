"""The validation of one variant in one namespace: run live on the cluster, or as commands to copy."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from policies.actions import validation
from policies.domain.authority import Act, Place
from policies.queries.freshness import data_strip
from policies.queries.specs import current_revisions, seen_spec, written_spec
from policies.queries.validation import enforced_namespaces, expected_in
from policies.web.actors import actor_of, permit, seen_by
from policies.web.htmx import respond
from policies.web.presenters.validation import (
    expectation,
    shown_checks,
    shown_commands,
    unrun_checks,
)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def panel(request: HttpRequest, variant_id: int, namespace: str) -> HttpResponse:
    """Show the checks and their commands; a POST runs them. Nothing is stored, so there is nowhere to redirect to."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    space = get_object_or_404(reach.namespaces(), cluster=variant.cluster, name=namespace)
    actor = actor_of(request.user)
    now = timezone.now()
    here = Place(variant.cluster.name, space.name, space.labels)
    spec = written_spec(variant, current_revisions([variant]).get(variant.pk))
    expected = expected_in(variant, spec, space)
    context: dict[str, Any] = {"checks": unrun_checks(expected), "ran_at": None}
    if request.method == "POST":
        found = validation.validate(variant_id=variant.pk, namespace=space.name, by=actor, now=now)
        context = {"checks": shown_checks(found, spec, space.name), "ran_at": found.at}
    context |= {
        "variant": variant,
        "space": space,
        "expectation": expectation(expected),
        "commands": shown_commands(
            seen_spec(spec, cluster_id=variant.cluster_id, reach=reach),
            space.name,
            enforced_namespaces(variant, reach=reach),
        ),
        "strip": data_strip(variant.cluster, now=now),
        "current_cluster": variant.cluster.name,
        "may_validate": permit(actor, Act.VALIDATE, at=here),
    }
    return respond(request, "validation/page.html", "validation/_checks.html", context)
