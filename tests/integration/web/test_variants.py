"""Variants: the preview before, the objects as wanted and as observed after, and the way back to Audit."""

from collections.abc import Callable

import pytest
from django.test import Client

from policies.domain.lifecycle import FlipVerb
from policies.models import Flip, ObservedPolicy, Variant
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld

BOTH = "require-seccomp,deny-unconfined-seccomp"


def test_new_variant_preview_shows_policy_and_twin(browser: Callable[[str], Client]) -> None:
    query = {"name": "seccomp", "controls": BOTH, "target": "ValidatingPolicy"}

    response = browser("operator").get("/variants/new/", query, headers=HTMX)

    assert "<html" not in response.text
    for name in ("seccomp", "seccomp-enforce", "seccomp-enforce-debug"):
        assert f">{name}<" in response.text


def test_new_variant_preview_of_a_bad_name_says_so(browser: Callable[[str], Client]) -> None:
    response = browser("operator").get("/variants/new/", {"name": "No Good"}, headers=HTMX)

    assert "must be small letters, digits and dashes" in response.text


def test_new_variant_is_created_and_leads_to_its_install_plan(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    sent = {
        "cluster": world.cluster.pk,
        "name": "seccomp",
        "controls": BOTH,
        "target": "ClusterPolicy",
    }

    response = hands("operator").post("/variants/new/", sent, follow=True)

    variant = Variant.objects.get()
    assert response.redirect_chain == [(f"/variants/{variant.pk}/", 303)]
    assert f"/plans/new/?variant={variant.pk}&amp;verb=install" in response.text


def test_new_variant_name_taken_says_so(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.variant("ClusterPolicy")
    sent = {
        "cluster": world.cluster.pk,
        "name": "require-seccomp",
        "controls": BOTH,
        "target": "ClusterPolicy",
    }

    response = hands("operator").post("/variants/new/", sent)

    assert response.status_code == 422
    assert "prod has a variant require-seccomp already." in response.text


def test_new_variant_viewer_is_refused(world: SandboxWorld, hands: Callable[[str], Client]) -> None:
    sent = {"cluster": world.cluster.pk, "name": "x", "controls": BOTH, "target": "ClusterPolicy"}

    assert hands("viewer").post("/variants/new/", sent).status_code == 403


def test_variant_edited_on_the_cluster_shows_the_drift(browser: Callable[[str], Client]) -> None:
    variant = factories.installed(factories.cluster())
    edited = {**factories.manifest(variant.name), "spec": {"background": False}}
    ObservedPolicy.objects.update(digest="edited", manifest=edited)

    text = browser("viewer").get(f"/variants/{variant.pk}/").text

    assert "Drift" in text
    assert '<li class="add"><span class="sign">+</span>  background: false</li>' in text


def test_variant_as_wanted_shows_no_drift(browser: Callable[[str], Client]) -> None:
    variant = factories.installed(factories.cluster())

    text = browser("viewer").get(f"/variants/{variant.pk}/").text

    assert "As wanted" in text
    assert "Drift" not in text


def test_variants_list_counts_stages(browser: Callable[[str], Client]) -> None:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch", "shop"])
    factories.enforced(factories.installed(cluster), "shop")

    text = browser("viewer").get("/variants/?cluster=prod").text

    assert "require-seccomp" in text
    assert "Drift" in text  # the twin that was written is not among the objects that were seen


def test_roll_back_is_one_post_with_one_reason(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")

    response = hands("operator").post(
        f"/variants/{variant.pk}/roll-back/", {"namespace": "team-a", "reason": "a customer waits"}
    )

    flip = Flip.objects.get(verb=FlipVerb.ROLLBACK)
    assert response.headers["Location"] == f"/flips/{flip.pk}/"
    assert flip.reason == "a customer waits"


@pytest.mark.parametrize(
    ("role", "reason", "status", "words"),
    [
        ("operator", "", 409, "Say why"),
        ("viewer", "because", 403, "You may not roll back"),
    ],
)
def test_roll_back_refused_says_why(
    world: SandboxWorld,
    hands: Callable[[str], Client],
    role: str,
    reason: str,
    status: int,
    words: str,
) -> None:
    variant = world.variant("ClusterPolicy")

    response = hands(role).post(
        f"/variants/{variant.pk}/roll-back/", {"namespace": "team-a", "reason": reason}
    )

    assert response.status_code == status
    assert words in response.text
