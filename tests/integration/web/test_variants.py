"""Variants: the preview before, the objects as wanted and as observed after, and the way back to Audit."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policies.actions import inventory
from policies.domain.lifecycle import FlipVerb
from policies.domain.objects import WorkloadKind
from policies.models import Cluster, Flip, ObservedNode, ObservedPolicy, Variant
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld

TYPED = {
    "name": "seccomp",
    "template": "seccomp",
    "target": "ClusterPolicy",
    "controls": ["require-seccomp", "deny-unconfined-seccomp"],
    "seccomp_types": ["RuntimeDefault", "Localhost"],
    "seccomp_default": "RuntimeDefault",
    "kinds": [kind.value for kind in WorkloadKind],
}
PREVIEW = {"intent": "preview"}


def sent(**changes: Any) -> dict[str, Any]:
    return {**TYPED, **changes}


def test_preview_shows_policy_twin_and_companion(browser: Callable[[str], Client]) -> None:
    typed = sent(target="ValidatingPolicy", **PREVIEW)

    response = browser("operator").post("/variants/new/", typed, headers=HTMX)

    assert response.status_code == 200
    assert "<html" not in response.text
    for name in ("seccomp", "seccomp-enforce", "seccomp-enforce-debug"):
        assert f">{name}<" in response.text
    assert "PodTemplate, ReplicationController" in response.text


def test_preview_names_each_problem_in_the_slot_of_its_field(
    browser: Callable[[str], Client],
) -> None:
    typed = sent(seccomp_allowed="profiles/web.json\n/etc/x.json", excluded_namespaces="No Good")

    text = browser("operator").post("/variants/new/", {**typed, **PREVIEW}, headers=HTMX).text

    slots = re.split(r'<div id="error-', text)
    said = {slot.partition('"')[0]: slot for slot in slots[1:]}
    assert (
        "&#x27;/etc/x.json&#x27; is not a path below the seccomp folder" in said["seccomp_allowed"]
    )
    assert "&#x27;No Good&#x27; is not the name of a namespace" in said["excluded_namespaces"]
    assert "field-error" not in said["seccomp_denied"]
    assert "Mend the marked fields" in slots[0]


def test_preview_forgives_what_nobody_has_typed_yet(browser: Callable[[str], Client]) -> None:
    typed = sent(name="", **PREVIEW)

    text = browser("operator").post("/variants/new/", typed, headers=HTMX).text

    assert "required" not in text.partition("error-name")[2].partition("</div>")[0]
    assert ">require-seccomp-enforce<" in text


def test_preview_of_parameters_that_refuse_no_pod_says_so(
    browser: Callable[[str], Client],
) -> None:
    typed = sent(controls=["profile-installed"], **PREVIEW)

    assert "refuse no pod" in browser("operator").post("/variants/new/", typed, headers=HTMX).text


def test_preview_works_without_javascript(browser: Callable[[str], Client]) -> None:
    typed = sent(
        template="apparmor",
        controls=["require-apparmor"],
        apparmor_types=["RuntimeDefault"],
        apparmor_default="RuntimeDefault",
    )

    text = browser("operator").post("/variants/new/", {**typed, **PREVIEW}).text

    assert "<h1>New variant</h1>" in text
    assert 'value="require-apparmor" checked' in text
    assert ">seccomp-enforce<" in text
    assert "require-apparmor" in text.partition('id="preview"')[2]


def test_new_form_is_filled_in_by_its_address(browser: Callable[[str], Client]) -> None:
    query = {
        "template": "confined-pods",
        "controls": "require-seccomp,allowed-profiles",
        "seccomp_allowed": "operator/*.json,profiles/**",
        "excluded_labels": "app=cni",
    }

    text = browser("operator").get("/variants/new/", query).text

    assert "operator/*.json\nprofiles/**</textarea>" in text
    assert "app=cni</textarea>" in text
    assert 'value="allowed-profiles" checked' in text
    assert 'value="require-apparmor" checked' not in text


def test_new_form_takes_no_failure_action_but_audit(browser: Callable[[str], Client]) -> None:
    text = browser("operator").get("/variants/new/").text

    assert "Enforcing is a flip, namespace by namespace" in text
    assert re.search(r'id="action-enforce"\s+disabled', text)


def test_new_variant_is_created_with_every_parameter_and_leads_to_its_install_plan(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    typed = sent(
        cluster=world.cluster.pk,
        controls=["require-seccomp", "allowed-profiles", "require-apparmor"],
        seccomp_allowed="operator/*.json",
        seccomp_denied="**trace*",
        excluded_namespaces="legacy",
        excluded_labels="app=cni\ntier",
        kinds=["Pod", "Deployment"],
        message="Ask the platform team.",
    )

    response = hands("operator").post("/variants/new/", typed, follow=True)

    variant = Variant.objects.get()
    assert response.redirect_chain == [(f"/variants/{variant.pk}/", 303)]
    assert f"/plans/new/?variant={variant.pk}&amp;verb=install" in response.text
    assert variant.parameters == {
        "controls": ["require-seccomp", "deny-unconfined-seccomp", "allowed-profiles"],
        "seccomp": {"allowed": ["operator/*.json"], "denied": ["**trace*"]},
        "excluded_namespaces": ["legacy"],
        "excluded_labels": [["app", "cni"], ["tier", ""]],
        "kinds": ["Pod", "Deployment"],
        "message": "Ask the platform team.",
    }


def test_new_variant_name_taken_says_so(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.variant("ClusterPolicy")
    typed = sent(cluster=world.cluster.pk, name="require-seccomp")

    response = hands("operator").post("/variants/new/", typed)

    assert response.status_code == 422
    assert "prod has a variant require-seccomp already." in response.text


def test_new_variant_viewer_is_refused(world: SandboxWorld, hands: Callable[[str], Client]) -> None:
    assert hands("viewer").post("/variants/new/", sent(cluster=world.cluster.pk)).status_code == 403


def edited(of: Variant, **changes: Any) -> dict[str, Any]:
    return sent(based_on=of.revision_number, note="asked by a team", **changes)


def test_edit_keeps_a_revision_and_says_that_it_is_not_installed(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.installed("ClusterPolicy")

    response = hands("operator").post(
        f"/variants/{variant.pk}/edit/", edited(variant, excluded_namespaces="legacy"), follow=True
    )

    assert "The newest parameters are not installed yet." in response.text
    assert "revision 1 of 2" in response.text
    assert '<span class="sign">+</span>- legacy' in response.text


def test_edit_preview_shows_what_would_change_on_the_cluster(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.installed("ClusterPolicy")
    path = f"/variants/{variant.pk}/edit/"

    same = hands("operator").get(path).text
    other = hands("operator").post(path, edited(variant, message="Ask us.", **PREVIEW)).text

    assert "stays as it is" in same
    assert re.search(r'<li class="add">.*Ask us\.', other)
    assert Variant.objects.get().revision_number == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "These are the parameters that it has already."),
        ({"based_on": 7, "message": "x"}, "was edited meanwhile"),
        ({"note": "", "message": "x"}, "This field is required."),
        ({"message": "x" * 301}, "At most 300 characters"),
    ],
)
def test_edit_refused_says_why(
    browser: Callable[[str], Client], changes: dict[str, Any], words: str
) -> None:
    variant = factories.installed(factories.cluster())

    response = browser("operator").post(
        f"/variants/{variant.pk}/edit/", {**edited(variant), **changes}
    )

    assert response.status_code == 422
    assert words in response.text


def test_variant_page_compares_the_revisions_asked_for(browser: Callable[[str], Client]) -> None:
    variant = factories.installed(factories.cluster())
    factories.wish(variant, note="for the mesh", excluded_namespaces=["mesh"])
    factories.wish(variant, note="for backups", excluded_namespaces=["backup", "mesh"])

    text = browser("viewer").get(f"/variants/{variant.pk}/?revision=3&against=2").text

    assert "for the mesh" in text
    assert "revision 2 &nbsp; + revision 3" in text
    assert '<span class="sign">+</span>- backup' in text
    assert '<span class="sign">+</span>- mesh' not in text


def test_comparison_puts_variants_of_all_clusters_side_by_side(
    browser: Callable[[str], Client],
) -> None:
    for name in ("prod", "staging", "test"):
        factories.installed(factories.cluster(name))
    odd = factories.variant(Cluster.objects.get(name="test"), "odd", message="Ask the mesh team.")

    text = browser("viewer").get("/variants/compare/?template=seccomp").text

    assert f'href="/variants/{odd.pk}/">odd</a>' in text
    assert text.count('class="odd"') == 1
    assert "4 variants · 1 difference" in text


def test_comparison_asks_as_much_for_one_cluster_as_for_many(
    browser: Callable[[str], Client],
) -> None:
    client = browser("viewer")
    counts = []
    for number in range(4):
        factories.enforced(factories.installed(factories.cluster(f"c{number}")), "shop")
        with CaptureQueriesContext(connection) as asked:
            client.get("/variants/compare/?template=seccomp")
        counts.append(len(asked))

    assert len(set(counts[1:])) == 1


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


@pytest.mark.parametrize(
    ("fields", "target", "words"),
    [
        ({}, "", "ValidatingPolicies in v1, and its older kinds come to an end"),
        ({"kyverno_version": "v1.13.4"}, "", "Kyverno 1.13.4 knows ClusterPolicies best"),
        ({"kyverno_version": "v1.13.4"}, "ValidatingPolicy", "does not serve ValidatingPolicy"),
        ({"kyverno_version": ""}, "", "There is no Kyverno here"),
        ({"kyverno_version": "v1.20.0"}, "ClusterPolicy", "no longer takes changes"),
        ({"kubernetes_version": "v1.27.0"}, "", "drops the conditions"),
        ({"kubernetes_version": ""}, "", "Nothing was collected"),
    ],
)
def test_preview_says_why_this_kind_of_policy(
    browser: Callable[[str], Client], fields: dict[str, str], target: str, words: str
) -> None:
    cluster = factories.cluster(**fields)

    text = (
        browser("operator")
        .post("/variants/new/", sent(cluster=cluster.pk, target=target, **PREVIEW), headers=HTMX)
        .text
    )

    assert words in text


def test_variant_page_says_that_the_list_of_profiles_is_behind_and_refreshes_it(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    ObservedNode.objects.create(cluster=world.cluster, name="n", os="linux")
    variant = factories.installed(world.cluster, "asks", controls=["profile-installed"])
    admin = {"by": world.people.admin, "now": world.now()}
    pool = inventory.declare_pool(
        cluster_id=world.cluster.pk,
        name="all",
        selector={},
        apparmor="no",
        complete=("seccomp",),
        **admin,
    )
    inventory.declare_profile(
        pool_id=pool.pk, mechanism="seccomp", value="profiles/new.json", **admin
    )
    page = f"/variants/{variant.pk}/"

    before = hands("operator").get(page).text
    after = hands("operator").post(f"{page}refresh/", follow=True).text

    assert "<code>+ profiles/new.json</code>" in before
    assert "The newest parameters are not installed yet." in after
    assert "is behind the nodes" not in after
