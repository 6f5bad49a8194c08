"""Kyverno's ConfigMap and webhooks, read as Kyverno itself reads them."""

import json
from typing import Any

import pytest

from policies.domain.engine_settings import (
    EVERYTHING,
    keep_config,
    keep_webhooks,
    read_config,
    read_filters,
    read_webhook,
)
from policies.domain.label_selectors import read_selector, selector_text
from policies.domain.wildcards import matches, matches_everything

NOT_SYSTEM = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("team-*", "team-a", True),
        ("team-?", "team-ab", False),
        ("a.b", "aXb", False),
        ("[a]", "a", False),
        ("[a]", "[a]", True),
        ("", "a", False),
    ],
)
def test_wildcard_knows_two_signs_and_nothing_else(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_wildcard_for_everything_is_told_from_a_prefix() -> None:
    assert matches_everything("*")
    assert matches_everything("?*")
    assert not matches_everything("kyverno-*")


@pytest.mark.parametrize(
    ("text", "kind", "subresource", "is_covered"),
    [
        ("[*/*,shop,*]", "Pod", "", True),
        ("[*/*,shop,*]", "Pod", "ephemeralcontainers", True),
        ("[*,shop,*]", "Pod", "", True),
        ("[*,shop,*]", "Pod", "ephemeralcontainers", False),
        ("[Pod,shop,*]", "Pod", "", True),
        ("[Pod,sh*,*]", "Pod", "", True),
        ("[v1/Pod,shop,*]", "Pod", "", True),
        ("[apps/v1/Deployment,shop,*]", "Pod", "", False),
        ("[Pod/binding,shop,*]", "Pod", "", False),
        ("[Pod/binding,shop,*]", "Pod", "binding", True),
        ("[*/binding,shop,*]", "Pod", "binding", True),
        ("[*/v1/Pod,shop,*]", "Pod", "", False),  # Kyverno takes `*` for a version
        ("[v1/Pod/binding,shop,*]", "Pod", "binding", True),
        ("[*/v1/Pod/binding,shop,*]", "Pod", "binding", True),
        ("[apps/v1/Deployment/scale,shop,*]", "Pod", "scale", False),
        ("[a/b/c/d/e,shop,*]", "Pod", "", False),
        ("[Pod,other,*]", "Pod", "", False),
        ("[Pod,shop]", "Pod", "", False),
        ("[Pod]", "Pod", "", False),
        ("[,shop,*]", "Pod", "", False),
        ("[a,b,c,d]", "Pod", "", False),
    ],
)
def test_filter_covers_what_kyverno_passes_over(
    text: str, kind: str, subresource: str, is_covered: bool
) -> None:
    found = list(read_filters(text))

    assert any(f.covers(kind, "shop", "p-1", subresource=subresource) for f in found) is is_covered


def test_filter_of_another_version_covers_nothing_of_this_one() -> None:
    (found,) = read_filters("[v2/Pod,shop,*]")

    assert not found.covers("Pod", "shop", "p")
    assert found.covers("Pod", "shop", "p", api=("", "v2"))


def test_filter_by_name_leaves_other_pods_to_be_judged() -> None:
    (found,) = read_filters("[Pod,shop,batch-*]")

    assert found.covers("Pod", "shop", "batch-1")
    assert not found.covers_all_pods("shop")


@pytest.mark.parametrize(
    ("stated", "labels", "holds"),
    [
        (None, {}, True),
        ({}, {}, True),
        ({"matchLabels": None, "matchExpressions": None}, {}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b"}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "c"}, False),
        ({"matchExpressions": [NOT_SYSTEM]}, {}, True),
        ({"matchExpressions": [NOT_SYSTEM]}, {NOT_SYSTEM["key"]: "kube-system"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ],
)
def test_selector_holds_as_in_kubernetes(stated: Any, labels: dict[str, str], holds: bool) -> None:
    found = read_selector(stated)

    assert found is not None
    assert found.matches(labels) is holds


@pytest.mark.parametrize(
    "stated",
    [
        "a=b",
        {"matchLabels": ["a"]},
        {"matchExpressions": "a"},
        {"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]},
        {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
        {"matchExpressions": [{"operator": "Exists"}]},
        {"matchExpressions": ["a"]},
    ],
)
def test_selector_that_makes_no_sense_is_unknown(stated: Any) -> None:
    assert read_selector(stated) is None


def test_selector_is_written_for_people() -> None:
    found = read_selector(
        {
            "matchLabels": {"team": "web"},
            "matchExpressions": [
                {"key": "env", "operator": "NotIn", "values": ["b", "a"]},
                {"key": "x", "operator": "Exists"},
                {"key": "y", "operator": "DoesNotExist"},
            ],
        }
    )

    assert found is not None
    assert selector_text(found) == "team in (web), env not in (a, b), x is set, y is absent"
    assert selector_text(EVERYTHING) == ""


def test_config_keeps_what_decides_and_nothing_else() -> None:
    kept = keep_config({"resourceFilters": "[Pod,a,*]", "defaultRegistry": "x", "webhooks": ""})

    assert kept == {"resourceFilters": "[Pod,a,*]"}
    assert keep_config(None) == {}


def test_config_is_read_with_its_exclusions_and_exceptions_to_them() -> None:
    found = read_config(
        {
            "resourceFilters": "[Event,*,*] [*/*,kube-system,*]",
            "webhooks": json.dumps({"namespaceSelector": {"matchExpressions": [NOT_SYSTEM]}}),
            "matchConditions": json.dumps([{"name": "not-me", "expression": "true"}]),
            "excludeGroups": "system:nodes, !system:masters",
            "excludeUsernames": "robot",
            "updateRequestThreshold": "500",
        }
    )

    assert [each.text for each in found.filters] == ["[Event,*,*]", "[*/*,kube-system,*]"]
    assert not found.namespace_selector.matches({NOT_SYSTEM["key"]: "kube-system"})
    assert [each.name for each in found.conditions] == ["not-me"]
    assert found.excluded == (("group", "system:nodes"), ("username", "robot"))
    assert found.included == (("group", "system:masters"),)
    assert found.threshold == "500"
    assert found.unreadable == ()


@pytest.mark.parametrize(
    ("data", "unreadable"),
    [
        ({"webhooks": "{"}, ("webhooks",)),
        ({"webhooks": "[]"}, ("webhooks",)),
        ({"webhooks": '{"namespaceSelector": {"matchExpressions": [1]}}'}, ("webhooks",)),
        ({"matchConditions": "{}"}, ("matchConditions",)),
        ({"webhooks": "null", "matchConditions": "null"}, ()),
    ],
)
def test_config_that_makes_no_sense_is_named_and_does_nothing(
    data: dict[str, str], unreadable: tuple[str, ...]
) -> None:
    found = read_config(data)

    assert found.unreadable == unreadable
    assert found.namespace_selector == EVERYTHING
    assert found.conditions == ()


def webhook(name: str, path: str = "/validate/fail", **more: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "name": name,
        "clientConfig": {"service": {"path": path}},
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
        "rules": [rule],
        **more,
    }


def configuration(*webhooks: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c"}, "webhooks": list(webhooks)}


def test_webhooks_of_kyverno_for_resources_are_kept_and_others_about_pods_are_named() -> None:
    kept, others = keep_webhooks(
        configuration(
            webhook("validate.kyverno.svc-fail"),
            webhook("vpol.validate.kyverno.svc-ignore", "/vpol/a/b"),
            webhook("validate-policy.kyverno.svc"),
            webhook("pods.example.org"),
            webhook(
                "nodes.example.org", rules=[{"operations": ["CREATE"], "resources": ["nodes"]}]
            ),
            webhook("late.example.org", rules=[{"operations": ["DELETE"], "resources": ["pods"]}]),
            "nonsense",
        )
    )

    assert [each["name"] for each in kept] == [
        "validate.kyverno.svc-fail",
        "vpol.validate.kyverno.svc-ignore",
    ]
    assert others == ["pods.example.org"]


@pytest.mark.parametrize(
    ("client", "policies"),
    [
        ({"service": {"path": "/vpol/a/b"}}, ("a", "b")),
        ({"service": {"path": "/validate/fail/finegrained/a"}}, ("a",)),
        ({"service": {"path": "/validate/fail"}}, ()),
        ({"url": "https://127.0.0.1:9443/vpol/a?timeout=3s"}, ("a",)),
        (None, ()),
    ],
)
def test_webhook_path_names_its_policies(client: Any, policies: tuple[str, ...]) -> None:
    ((kept,), _) = keep_webhooks(
        configuration(webhook("vpol.validate.kyverno.svc-x", clientConfig=client))
    )

    assert read_webhook(kept).policies == policies


@pytest.mark.parametrize(
    ("resources", "groups", "asks"),
    [
        (["pods"], [""], True),
        (["*"], ["*"], True),
        (["*/*"], ["*"], True),
        (["deployments"], ["apps"], False),
        (["pods/ephemeralcontainers"], [""], False),
        (["pods"], ["metrics.k8s.io"], False),
    ],
)
def test_webhook_asks_about_pods(resources: list[str], groups: list[str], asks: bool) -> None:
    rule = {"apiGroups": groups, "operations": ["*"], "resources": resources}
    ((kept,), _) = keep_webhooks(configuration(webhook("validate.kyverno.svc-fail", rules=[rule])))

    assert read_webhook(kept).asks_about_pods is asks


def test_webhook_is_read_as_it_was_kept() -> None:
    conditions = [{"name": "long", "expression": "x" * 1000}]
    ((kept,), _) = keep_webhooks(
        configuration(
            webhook(
                "validate.kyverno.svc-ignore",
                failurePolicy="Ignore",
                timeoutSeconds=3,
                namespaceSelector={"matchExpressions": [NOT_SYSTEM]},
                matchConditions=conditions,
            )
        )
    )

    found = read_webhook(json.loads(json.dumps(kept)))

    assert found.is_shared
    assert (found.fails_closed, found.timeout_seconds) == (False, 3)
    assert found.reaches({NOT_SYSTEM["key"]: "kube-system"}) is False
    assert found.reaches({}) is True
    assert len(found.conditions[0].expression) == 300


def test_webhook_whose_selector_makes_no_sense_is_unknown() -> None:
    ((kept,), _) = keep_webhooks(
        configuration(webhook("validate.kyverno.svc-fail", namespaceSelector="all"))
    )

    assert read_webhook(kept).reaches({}) is None
