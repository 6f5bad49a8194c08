"""What the environment may say about signing in, and what is refused by name."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from secprof_site import sign_in
from secprof_site.cache import JsonSerializer

OIDC = {
    "SECPROF_OIDC_ISSUER": "https://id.example/realm",
    "SECPROF_OIDC_CLIENT_ID": "secprof",
    "SECPROF_OIDC_CLIENT_SECRET": "not-a-real-secret",
}


def read(**changes: str) -> sign_in.Oidc | None:
    return sign_in.read_oidc({**OIDC, **changes}, plain_loopback=False)


def test_read_oidc_nothing_set_is_none() -> None:
    assert sign_in.read_oidc({}, plain_loopback=False) is None


@pytest.mark.parametrize("missing", sorted(OIDC))
def test_read_oidc_without_one_part_refuses_and_names_it(missing: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(**{missing: ""})

    lacks = str(refusal.value).partition(". ")[0]
    assert [name for name in OIDC if name in lacks] == [missing]


@pytest.mark.parametrize("name", ["SECPROF_OIDC_GROUPS", "SECPROF_OIDC_REQUIRED_GROUP"])
def test_read_oidc_groups_without_a_provider_is_refused(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="lacks SECPROF_OIDC_ISSUER"):
        sign_in.read_oidc({name: "a"}, plain_loopback=False)


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "id.example", "https://", "http://127.0.0.1:9", "https://x?y=1"]
)
def test_read_oidc_issuer_other_than_https_is_refused(issuer: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECPROF_OIDC_ISSUER must be"):
        read(SECPROF_OIDC_ISSUER=issuer)


def test_read_oidc_plain_loopback_is_for_development_only() -> None:
    environ = {**OIDC, "SECPROF_OIDC_ISSUER": "http://127.0.0.1:9"}

    assert sign_in.read_oidc(environ, plain_loopback=True) is not None
    with pytest.raises(ImproperlyConfigured):
        sign_in.read_oidc({**OIDC, "SECPROF_OIDC_ISSUER": "http://id.example"}, plain_loopback=True)


def test_read_oidc_groups_are_pairs_names_and_beginnings() -> None:
    oidc = read(SECPROF_OIDC_GROUPS="sec-a = approvers, auditors,secprof-*")

    assert oidc is not None
    assert oidc.groups == (
        ("sec-a", "approvers"),
        ("auditors", "auditors"),
        ("secprof-*", "secprof-*"),
    )


@pytest.mark.parametrize("text", ["=a", "a=", "*", "a*=b", "a=b*"])
def test_read_oidc_group_that_maps_nothing_or_all_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECPROF_OIDC_GROUPS holds"):
        read(SECPROF_OIDC_GROUPS=text)


def test_read_oidc_scopes_without_openid_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="must hold openid"):
        read(SECPROF_OIDC_SCOPES="profile")


def test_providers_demand_pkce() -> None:
    (app,) = sign_in.providers(read())["openid_connect"]["APPS"]

    assert app["settings"]["oauth_pkce_enabled"] is True
    assert (
        app["settings"]["server_url"] == "https://id.example/realm/.well-known/openid-configuration"
    )


def test_second_factor_for_unknown_word_is_refused_with_those_there_are() -> None:
    with pytest.raises(ImproperlyConfigured, match="holds all; it may hold approve, override"):
        sign_in.read_second_factor_for({"SECPROF_SECOND_FACTOR_FOR": "approve,all"})


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://:a,b@host:6379/0", "redis://:a,b@host:6379/0"),
        ("rediss://host/1", "rediss://host/1"),
        ("redis+socket:///tmp/a%20b.sock", "unix:///tmp/a b.sock"),
    ],
)
def test_caches_count_in_the_brokers_redis(url: str, location: str) -> None:
    found = sign_in.caches(url, local=False)["default"]

    assert found["LOCATION"] == [location]
    assert found["BACKEND"].endswith("RedisCache")


@pytest.mark.parametrize(("url", "local"), [("redis://host", True), ("memory://", False)])
def test_caches_of_one_process_stay_in_it(url: str, local: bool) -> None:
    assert sign_in.caches(url, local=local)["default"]["BACKEND"].endswith("LocMemCache")


def test_caches_broker_that_cannot_count_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must begin with redis://"):
        sign_in.caches("amqp://host", local=False)


@pytest.mark.parametrize("value", [1, True, "y", [1700000000.25, 3.0], {"a": None}])
def test_cached_value_comes_back_as_it_went_in(value: Any) -> None:
    serializer = JsonSerializer()
    stored = serializer.dumps(value)

    found = serializer.loads(stored if isinstance(stored, bytes) else str(stored).encode())

    assert found == value
    assert type(found) is type(value)
