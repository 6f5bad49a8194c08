"""A pasted kubeconfig: what is read, and every refusal by name."""

from typing import Any

import pytest
import yaml

from policies.cluster.kubeconfig import InvalidKubeconfig, parse_kubeconfig
from tests.unit.cluster.authority import Authority, encoded, key_pem, new_key

CANARY = "canary-4f1d2c7e90ab"
AUTHORITY = Authority()
CLIENT_CERTIFICATE, CLIENT_KEY = AUTHORITY.client()


def kubeconfig(
    *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **top: Any
) -> str:
    """A good kubeconfig with these changes; a key of value None is left out."""
    good = {"server": "https://api.example:6443"}
    good["certificate-authority-data"] = encoded(AUTHORITY.ca_pem)
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": _kept(good | (cluster or {}))}],
        "users": [{"name": "u", "user": _kept({"token": CANARY} | (user or {}))}],
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "main",
    }
    return yaml.safe_dump(_kept(config | top))


def _kept(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(InvalidKubeconfig) as caught:
        parse_kubeconfig(text, **options)
    assert CANARY not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_parse_token_and_ca_are_read() -> None:
    connection = parse_kubeconfig(kubeconfig())

    assert connection.server == "https://api.example:6443"
    assert connection.token == CANARY
    assert connection.ca_pem == AUTHORITY.ca_pem
    assert not connection.allow_loopback


def test_parse_client_certificate_is_read() -> None:
    user = {"token": None, "client-certificate-data": encoded(CLIENT_CERTIFICATE)}
    user["client-key-data"] = encoded(CLIENT_KEY)

    connection = parse_kubeconfig(kubeconfig(user=user))

    assert connection.client_certificate_pem == CLIENT_CERTIFICATE
    assert connection.client_key_pem == CLIENT_KEY
    assert connection.token == ""


def test_parse_path_port_and_server_name_are_kept() -> None:
    changes = {"server": "https://rancher.example/k8s/clusters/c-1/", "tls-server-name": "inside"}

    connection = parse_kubeconfig(kubeconfig(cluster=changes))

    assert connection.server == "https://rancher.example/k8s/clusters/c-1"
    assert connection.tls_server_name == "inside"


def test_parse_without_ca_trusts_the_machine() -> None:
    text = kubeconfig(cluster={"certificate-authority-data": None})

    assert parse_kubeconfig(text).ca_pem == ""


def test_parse_harmless_keys_of_kubectl_are_ignored() -> None:
    cluster = {"insecure-skip-tls-verify": False, "disable-compression": True}
    cluster["extensions"] = [{"name": "cluster_info", "extension": {"provider": "some"}}]

    text = kubeconfig(cluster=cluster, preferences={}, extensions=[])

    assert parse_kubeconfig(text).token == CANARY


@pytest.mark.parametrize(
    "key",
    [
        "exec",
        "auth-provider",
        "tokenFile",
        "client-certificate",
        "client-key",
        "username",
        "password",
        "as",
        "as-uid",
        "as-groups",
        "as-user-extra",
        "impersonate-user",
    ],
)
def test_parse_user_key_is_refused_by_name(key: str) -> None:
    message = refusal(kubeconfig(user={key: CANARY}))

    assert f"`{key}`" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("certificate-authority", "/etc/ca.pem"),
        ("proxy-url", f"http://{CANARY}@proxy.example"),
        ("insecure-skip-tls-verify", True),
        ("insecure-skip-tls-verify", "true"),
        ("api-version", "v1"),
    ],
)
def test_parse_cluster_key_is_refused_by_name(key: str, value: object) -> None:
    message = refusal(kubeconfig(cluster={key: value}))

    assert f"`{key}`" in message


def test_parse_refused_key_says_what_to_do_instead() -> None:
    assert "kubectl create token" in refusal(kubeconfig(user={"exec": {"command": "id"}}))
    assert "`client-key-data`" in refusal(kubeconfig(user={"client-key": "/k"}))


def test_parse_unknown_key_that_may_be_a_secret_is_not_repeated() -> None:
    secret = "x" * 200

    message = refusal(kubeconfig(user={secret: "v"}))

    assert "unknown key (not shown)" in message
    assert secret not in message


def test_parse_unknown_top_level_key_is_refused_by_name() -> None:
    assert "`include`" in refusal(kubeconfig(include="other"))


@pytest.mark.parametrize(
    ("server", "word"),
    [
        ("http://api.example", "http://"),
        ("", "no `server`"),
        ("api.example:6443", "must be an address"),
        ("ftp://api.example", "must be an address"),
        (f"https://me:{CANARY}@api.example", "must be an address"),
        (f"https://api.example/?token={CANARY}", "must be an address"),
        ("https://api.example:99999", "must be an address"),
        ("https://api.example:0", "must be an address"),
        ("https://", "must be an address"),
        ("https://[::1", "must be an address"),
        ("https://api.example\\@other", "must be an address"),
        ("https://api.example/a b", "must be an address"),
        ("https://169.254.169.254", "metadata"),
        ("https://[fe80::1]:6443", "metadata"),
        ("https://[fd00:ec2::254]", "metadata"),
        ("https://[::ffff:169.254.169.254]", "metadata"),
        ("https://127.0.0.1:6443", "not allowed here"),
        ("https://[::1]:6443", "not allowed here"),
        ("https://0.0.0.0:6443", "not allowed here"),
        ("https://localhost:6443", "not allowed here"),
        ("https://LOCALHOST.:6443", "not allowed here"),
        ("https://a.localhost:6443", "not allowed here"),
    ],
)
def test_parse_server_is_refused(server: str, word: str) -> None:
    assert word in refusal(kubeconfig(cluster={"server": server}))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_parse_loopback_is_read_when_allowed(host: str) -> None:
    text = kubeconfig(cluster={"server": f"https://{host}:6443"})

    connection = parse_kubeconfig(text, allow_loopback=True)

    assert connection.server == f"https://{host}:6443"
    assert connection.allow_loopback


def test_parse_metadata_address_is_refused_even_where_loopback_is_allowed() -> None:
    text = kubeconfig(cluster={"server": "https://169.254.169.254"})

    assert "metadata" in refusal(text, allow_loopback=True)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("certificate-authority-data", f"!{CANARY}!", "is not base64"),
        ("certificate-authority-data", encoded(CANARY), "no readable PEM certificate"),
        ("certificate-authority-data", encoded(CLIENT_KEY), "no readable PEM certificate"),
        ("certificate-authority-data", 17, "must be text"),
        ("tls-server-name", "no host/name", "is not a host name"),
    ],
)
def test_parse_bad_cluster_value_is_named(key: str, value: object, words: str) -> None:
    message = refusal(kubeconfig(cluster={key: value}))

    assert f"`{key}`" in message
    assert words in message


SEALED_KEY = key_pem(new_key(), passphrase=CANARY)


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (CLIENT_CERTIFICATE, None, "without `client-key-data`"),
        (None, CLIENT_KEY, "without `client-certificate-data`"),
        (CLIENT_CERTIFICATE, CANARY, "`client-key-data` holds no readable PEM private key"),
        (CLIENT_CERTIFICATE, SEALED_KEY, "`client-key-data` is protected by a passphrase"),
        (CANARY, CLIENT_KEY, "`client-certificate-data` holds no readable PEM certificate"),
        (CLIENT_CERTIFICATE, key_pem(new_key()), "is not the key of the certificate"),
    ],
)
def test_parse_bad_identity_is_refused(
    certificate: str | None, key: str | None, words: str
) -> None:
    user: dict[str, Any] = {"client-certificate-data": certificate and encoded(certificate)}
    user["client-key-data"] = key and encoded(key)

    assert words in refusal(kubeconfig(user=user))


def test_parse_client_key_that_is_not_base64_is_named() -> None:
    user = {"client-certificate-data": encoded(CLIENT_CERTIFICATE), "client-key-data": f"!{CANARY}"}

    assert "`client-key-data` is not base64" in refusal(kubeconfig(user=user))


@pytest.mark.parametrize("token", [f"{CANARY} two", f"{CANARY}\nX-Header: a", "tökén"])
def test_parse_token_with_odd_characters_is_refused(token: str) -> None:
    assert "`token`" in refusal(kubeconfig(user={"token": token}))


def test_parse_user_without_credential_is_refused() -> None:
    assert "no credential" in refusal(kubeconfig(user={"token": None}))
    assert "no credential" in refusal(kubeconfig(user={"token": ""}))


TWO_CONTEXTS = [
    {"name": "one", "context": {"cluster": "c", "user": "u"}},
    {"name": "two", "context": {"cluster": "c", "user": "other"}},
]
TWO_USERS = [
    {"name": "u", "user": {"token": CANARY}},
    {"name": "other", "user": {"exec": {"command": "id"}}},
]


def test_parse_several_contexts_the_current_one_is_read() -> None:
    text = kubeconfig(contexts=TWO_CONTEXTS, users=TWO_USERS, **{"current-context": "one"})

    assert parse_kubeconfig(text).token == CANARY


def test_parse_several_contexts_the_chosen_one_is_read() -> None:
    text = kubeconfig(contexts=TWO_CONTEXTS, users=TWO_USERS, **{"current-context": "two"})

    assert "`exec`" in refusal(text)
    assert parse_kubeconfig(text, context="one").token == CANARY


def test_parse_several_contexts_without_choice_names_them() -> None:
    text = kubeconfig(contexts=TWO_CONTEXTS, **{"current-context": None})

    message = refusal(text)

    assert "several contexts" in message
    assert "`one`, `two`" in message


def test_parse_one_context_needs_no_current_context() -> None:
    assert parse_kubeconfig(kubeconfig(**{"current-context": None})).token == CANARY


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contexts": None}, "no `contexts`"),
        ({"contexts": "main"}, "`contexts` must be a list"),
        ({"contexts": [1]}, "`contexts` must be a list"),
        ({"current-context": "gone"}, "no context `gone`; it has only `main`"),
        ({"current-context": ["main"]}, "no context (not shown)"),
        ({"users": []}, "no user `u`"),
        ({"clusters": []}, "no cluster `c`"),
        ({"users": [{"name": "u", "user": None}]}, "user `u` is empty"),
        ({"users": [{"name": "u", "user": {}}] * 2}, "uses YAML aliases"),
        ({"users": [{"name": "u"}, {"name": "u", "user": {}}]}, "more than one user `u`"),
        ({"contexts": [{"name": "main", "context": {"user": "u"}}]}, "names no cluster"),
        ({"kind": "Secret"}, "not a kubeconfig"),
    ],
)
def test_parse_incomplete_file_says_what_is_missing(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(kubeconfig(**changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a kubeconfig"),
        (CANARY, "not a kubeconfig"),
        (f"a: [{CANARY}", "not valid YAML (line"),
        (f"a: {CANARY}\n---\nb: 1\n", "not valid YAML"),
        (f"a: \x00{CANARY}", "not valid YAML"),
        (f"a: \ud800{CANARY}", "not valid YAML"),
        (f"a: !!python/object/apply:os.system [{CANARY}]", "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("a: &x [1]\nb: *x\n", "YAML aliases"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        (f"a: {'x' * (256 * 1024)}", "larger than 256 kB"),
    ],
)
def test_parse_text_that_is_no_kubeconfig_is_refused(text: str, words: str) -> None:
    assert words in refusal(text)


def test_parse_alias_bomb_is_refused_at_once() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, inner in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]")

    assert "YAML aliases" in refusal("\n".join(lines))


def test_parse_refusal_carries_no_cause_that_quotes_the_text() -> None:
    with pytest.raises(InvalidKubeconfig) as caught:
        parse_kubeconfig(f"a: [{CANARY}")

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
