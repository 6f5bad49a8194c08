"""Where enforcement has no effect: each way in which Kyverno leaves a namespace out, by itself."""

import json
from dataclasses import replace

import pytest

from policies.domain.enforceability import (
    Barrier,
    Obstacle,
    excludes_controllers,
    lets_through,
    obstacles,
    sentence_of,
)
from policies.domain.engine_settings import Condition, EngineSettings, read_config, read_webhook
from policies.domain.engines import Component, ControllerSettings

NAME = "kubernetes.io/metadata.name"
ADMISSION = ControllerSettings(Component.ADMISSION, "kyverno", "k", (1, 19, 1), {})
SETTINGS = EngineSettings(controllers=(ADMISSION,), config=read_config({}))


def selector(*values: str) -> dict[str, object]:
    return {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": list(values)}]}


def hook(name: str = "validate.kyverno.svc-fail", **more: object) -> dict[str, object]:
    return {"name": name, "resources": ["pods"], **more}


def barriers(namespace: str, settings: EngineSettings, *own: str) -> list[Barrier]:
    found = obstacles(namespace, {NAME: namespace}, settings, own)
    return [each.barrier for each in found]


def with_config(**data: str) -> EngineSettings:
    return replace(SETTINGS, config=read_config(data))


def with_webhooks(*hooks: dict[str, object]) -> EngineSettings:
    return replace(SETTINGS, webhooks=tuple(map(read_webhook, hooks)), expects_pods=True)


LEFT_OUT = with_config(webhooks=json.dumps({"namespaceSelector": selector("shop", "other")}))


@pytest.mark.parametrize(
    ("namespace", "settings", "expected"),
    [
        ("shop", SETTINGS, []),
        ("shop", EngineSettings(), []),
        ("kyverno", SETTINGS, [Barrier.ENGINE]),
        ("kube-system", SETTINGS, [Barrier.SYSTEM]),
        ("shop", with_config(resourceFilters="[*/*,sh*,*]"), [Barrier.FILTER]),
        ("shop", with_config(resourceFilters="[Pod,shop,*] [*/*,shop,*]"), [Barrier.FILTER]),
        ("shop", with_config(resourceFilters="[Deployment,shop,*] [Pod,shop,a-*]"), []),
        ("shop", LEFT_OUT, [Barrier.SELECTOR]),
        ("pay", LEFT_OUT, []),
        (
            "shop",
            with_config(
                matchConditions='[{"name": "c", "expression": "request.namespace != \'shop\'"}]'
            ),
            [Barrier.CONDITION],
        ),
        (
            "shop",
            with_config(
                matchConditions='[{"name": "c", "expression": "request.namespace != \'pay\'"}]'
            ),
            [],
        ),
        ("shop", with_config(excludeGroups="system:nodes"), []),
        ("shop", with_config(excludeGroups="system:serviceaccounts:*"), [Barrier.REQUESTERS]),
        ("shop", with_webhooks(), [Barrier.NO_WEBHOOK]),
        ("shop", with_webhooks(hook()), []),
        ("shop", with_webhooks(hook(namespaceSelector=selector("shop"))), [Barrier.WEBHOOKS]),
        ("shop", with_webhooks(hook(namespaceSelector="all")), []),
        ("shop", with_webhooks(hook(namespaceSelector=selector("shop")), hook()), []),
        (
            "shop",
            with_webhooks(
                hook("vpol.validate.kyverno.svc-fail", namespaceSelector=selector("shop"))
            ),
            [],
        ),
        ("shop", with_webhooks(hook(resources=["deployments.apps"])), [Barrier.NO_WEBHOOK]),
    ],
)
def test_namespace_is_barred_by(
    namespace: str, settings: EngineSettings, expected: list[Barrier]
) -> None:
    assert barriers(namespace, settings) == expected


def test_webhook_of_our_own_policy_is_as_wide_as_it_can_be() -> None:
    own = hook(
        "vpol.validate.kyverno.svc-fail-finegrained-ours",
        policies=["ours"],
        namespaceSelector=selector("shop"),
    )

    assert barriers("shop", with_webhooks(own), "ours") == [Barrier.WEBHOOKS]
    assert barriers("shop", with_webhooks(own), "theirs") == []


def test_selector_is_said_once_though_webhooks_have_it_too() -> None:
    settings = replace(
        LEFT_OUT, webhooks=(read_webhook(hook(namespaceSelector=selector("shop", "other"))),)
    )

    assert barriers("shop", settings) == [Barrier.SELECTOR]


def test_reasons_name_no_other_namespace() -> None:
    found = obstacles("shop", {NAME: "shop"}, LEFT_OUT)

    assert NAME in found[0].sentence
    assert "other" not in found[0].sentence
    assert sentence_of(found).endswith("Enforcing here has no effect.")
    assert Obstacle.from_json(found[0].to_json()) == found[0]


def test_missing_webhook_is_no_reason_while_no_policy_is_ready() -> None:
    assert barriers("shop", replace(with_webhooks(), expects_pods=False)) == []


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        ({}, ""),
        ({"excludeGroups": "system:authenticated"}, "the group system:authenticated"),
        (
            {"excludeUsernames": "system:serviceaccount:kube-system:*"},
            "the username system:serviceaccount:kube-system:*",
        ),
        (
            {"excludeClusterRoles": "system:controller:replicaset-controller"},
            "the cluster role system:controller:replicaset-controller",
        ),
        ({"excludeRoles": "*"}, ""),
        ({"excludeGroups": "system:authenticated,!system:serviceaccounts"}, ""),
    ],
)
def test_excluded_requesters_count_when_controllers_are_among_them(
    data: dict[str, str], pattern: str
) -> None:
    assert excludes_controllers(read_config(data)) == pattern


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("request.namespace != 'shop'", False),
        ('request.namespace != "pay"', True),
        ("request.namespace == 'shop'", True),
        ("request.namespace in ['a', 'shop']", True),
        ("request.namespace in ['a']", False),
        ("!(request.namespace in ['shop'])", False),
        ("!( request.namespace in ['a'] )", True),
        ("!request.namespace in ['a']", None),
        ("request.userInfo.username != 'x'", None),
        ("request.namespace != 'shop' && true", None),
        ("", None),
    ],
)
def test_condition_is_read_where_it_is_plain(expression: str, answer: bool | None) -> None:
    assert lets_through(Condition("c", expression), "shop") is answer
