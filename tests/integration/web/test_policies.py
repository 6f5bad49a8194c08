"""Policies on clusters and the lint page: what is listed, what stands beside which line, and that nothing is stored."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.models import AuditEvent, Cluster, ObservedPolicy
from policies.queries.policies import PAGE_SIZE, PolicyFilter, policy_list
from policies.queries.reach import EVERYTHING_SEEN
from tests import factories
from tests.integration.web.conftest import HTMX
from tests.unit.domain.lint.cases import CEL, PLAIN, but
from tests.unit.domain.lint.test_seed import SEED, document

SECCOMP = (SEED / "seccomp.yaml").read_text(encoding="utf-8")
HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}


def stored(on: Cluster, name: str, manifest: Any, **fields: Any) -> ObservedPolicy:
    """A policy that somebody else wrote, as a collection left it."""
    metadata = {**manifest["metadata"], "name": name, "uid": str(uuid4())}
    return ObservedPolicy(
        cluster=on,
        kind=manifest["kind"],
        name=name,
        uid=metadata["uid"],
        resource_version="1",
        digest=f"digest-of-{name}",
        changed_at=timezone.now(),
        manifest={**manifest, "metadata": metadata},
        **fields,
    )


def store(policies: Iterable[ObservedPolicy]) -> None:
    ObservedPolicy.objects.bulk_create(policies)


@pytest.fixture
def cluster(db: None) -> Cluster:
    made = factories.cluster()
    store(
        [
            stored(made, "broken", document("seccomp").manifest),
            stored(made, "from-chart", but(PLAIN, "metadata/labels", HELM["labels"])),
            stored(made, "cel", CEL),
        ]
    )
    return made


def test_policies_list_counts_findings_and_names_owners(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    factories.installed(cluster)

    text = browser("viewer").get("/policies/").text

    for words in ("broken", "from-chart", "require-seccomp", "Helm", "secprof", "Enforce"):
        assert words in text
    found = {
        row.name: row for row in policy_list(PolicyFilter(), reach=EVERYTHING_SEEN, page=1).rows
    }
    assert found["broken"].errors > 3
    assert found["from-chart"].errors == 0


def test_policies_list_kind_that_the_lint_does_not_know_is_not_called_clean(
    browser: Callable[[str], Client],
) -> None:
    binding = {**CEL, "kind": "ValidatingAdmissionPolicyBinding", "apiVersion": "x/v1", "spec": {}}
    store([stored(factories.cluster(), "bound", binding)])

    text = browser("viewer").get("/policies/").text

    assert "Not judged" in text
    assert "No findings" not in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"text": "BRO"}, ["broken"]),
        ({"kind": "ValidatingPolicy"}, ["cel"]),
        ({"cluster": "nowhere"}, []),
        ({"written": "secprof"}, ["require-seccomp"]),
        ({"written": "others", "cluster": "prod"}, ["broken", "cel", "from-chart"]),
    ],
)
def test_policies_filter_lets_through(
    cluster: Cluster, query: dict[str, str], names: list[str]
) -> None:
    factories.installed(cluster)

    assert [
        row.name for row in policy_list(PolicyFilter(**query), reach=EVERYTHING_SEEN, page=1).rows
    ] == names


def test_policies_list_of_nothing_says_where_it_comes_from(
    browser: Callable[[str], Client],
) -> None:
    assert "No policy fits here." in browser("viewer").get("/policies/").text


@pytest.mark.parametrize("count", [2, 500])
def test_policies_list_costs_the_same_whatever_the_size(
    cluster: Cluster, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    factories.installed(cluster)
    store(stored(cluster, f"z-{number:04}", PLAIN) for number in range(count))

    with django_assert_num_queries(5):
        page = policy_list(PolicyFilter(), reach=EVERYTHING_SEEN, page=1)

    assert page.total_count == count + 4
    assert len(page.rows) == min(PAGE_SIZE, count + 4)


def test_policies_page_beyond_the_end_is_the_last(cluster: Cluster) -> None:
    store(stored(cluster, f"p-{number:04}", PLAIN) for number in range(PAGE_SIZE))

    page = policy_list(PolicyFilter(), reach=EVERYTHING_SEEN, page=99)

    assert (page.page, len(page.rows)) == (2, 3)


def test_policy_page_puts_findings_beside_their_lines(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    text = browser("operator").get("/policies/prod/ClusterPolicy/broken/").text

    line = next(li for li in text.split("<li ") if "template?:</span>" in li)
    assert 'class="has-error"' in line
    assert "A key ends in <code>?</code>" in line


def test_policy_page_leads_to_a_variant_that_does_what_it_means(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    text = browser("operator").get("/policies/prod/ClusterPolicy/broken/").text

    assert "<strong>Certainly</strong> <code>require-seccomp</code>" in text
    assert (
        f"/variants/new/?name=broken&amp;template=seccomp&amp;controls=require-seccomp%2Cdeny-unconfined-seccomp&amp;target=ValidatingPolicy&amp;cluster={cluster.pk}"
        in text
    )
    assert '<li class="del"><span class="sign">-</span>' in text


def test_policy_page_viewer_is_told_what_else_it_takes(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    text = browser("viewer").get("/policies/prod/ClusterPolicy/broken/").text

    assert "/variants/new/?" not in text


def test_policy_page_that_is_gone_is_not_found(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    assert browser("viewer").get("/policies/prod/ClusterPolicy/gone/").status_code == 404


def test_lint_page_needs_no_javascript_and_stores_nothing(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    events = AuditEvent.objects.count()

    response = browser("viewer").post("/policies/lint/", {"text": SECCOMP})

    assert response.status_code == 200
    assert "<html" in response.text
    assert "The pattern cannot be met" in response.text
    assert "template?:" in response.text
    assert ObservedPolicy.objects.count() == 3
    assert AuditEvent.objects.count() == events


def test_lint_page_htmx_gets_the_result_alone(browser: Callable[[str], Client]) -> None:
    response = browser("viewer").post("/policies/lint/", {"text": SECCOMP}, headers=HTMX)

    assert "<html" not in response.text
    assert response.text.lstrip().startswith('<div id="result"')


def test_lint_page_names_what_is_broken_and_judges_the_rest(
    browser: Callable[[str], Client],
) -> None:
    text = f"{SECCOMP}---\na: &x [1]\nb: *x\n---\nkind: MutatingPolicy\napiVersion: policies.kyverno.io/v1\n"

    answer = browser("viewer").post("/policies/lint/", {"text": text}).text

    assert "Document 2, line" in answer
    assert "uses the alias *x" in answer
    assert "The pattern cannot be met" in answer
    assert "whether it is sound is unknown" in answer


def test_lint_page_file_counts_before_text(browser: Callable[[str], Client]) -> None:
    upload = SimpleUploadedFile("p.yaml", (SEED / "apparmor.yaml").read_bytes())

    answer = browser("viewer").post("/policies/lint/", {"text": SECCOMP, "upload": upload}).text

    assert "Only the AppArmor annotation is read" in answer
    assert "The pattern cannot be met" not in answer


def test_lint_page_file_that_is_too_large_is_refused(browser: Callable[[str], Client]) -> None:
    upload = SimpleUploadedFile("p.yaml", b"#" * (1024 * 1024 + 1))

    answer = browser("viewer").post("/policies/lint/", {"upload": upload}).text

    assert "larger than 1024 KiB" in answer


def test_lint_page_judges_for_the_chosen_cluster(browser: Callable[[str], Client]) -> None:
    old = factories.cluster("old", kyverno_version="v1.13.4", kubernetes_version="v1.29.4")
    text = (SEED / "apparmor.yaml").read_text(encoding="utf-8")

    answer = browser("viewer").post("/policies/lint/", {"text": text, "cluster": old.pk}).text

    assert "Only the AppArmor annotation is read" not in answer
    assert "The kyverno.io kinds are deprecated" not in answer


def test_lint_page_empty_text_says_so(browser: Callable[[str], Client]) -> None:
    assert "There is nothing in it to judge." in browser("viewer").post("/policies/lint/").text
    assert "There is nothing in it to judge." not in browser("viewer").get("/policies/lint/").text


def test_lint_page_many_documents_are_cut_and_said(browser: Callable[[str], Client]) -> None:
    text = "\n---\n".join(["kind: Deployment"] * 30)

    answer = browser("viewer").post("/policies/lint/", {"text": text}).text

    assert "The text holds 5 more" in answer


def test_lint_page_long_text_is_folded_around_findings(browser: Callable[[str], Client]) -> None:
    text = SECCOMP + "# far away\n" * 1000

    answer = browser("viewer").post("/policies/lint/", {"text": text}, headers=HTMX).text

    assert "lines without findings" not in answer  # nothing follows the last finding
    assert answer.count('<li id="L') < 100
    folded = (
        browser("viewer")
        .post("/policies/lint/", {"text": "# far\n" * 500 + SECCOMP}, headers=HTMX)
        .text
    )
    assert "lines without findings" in folded


def test_lint_pages_are_for_those_who_signed_in(db: None) -> None:
    for path in ("/policies/", "/policies/lint/", "/policies/prod/ClusterPolicy/x/"):
        assert Client().get(path).headers["Location"].startswith("/login/")
