"""Which installations start, and what production turns on."""

import os
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

SETTINGS = str(Path(__file__).parents[3] / "secprof_site" / "settings.py")
PRODUCTION = {
    "SECPROF_SECRET_KEY": "not-a-real-secret",
    "SECPROF_CREDENTIAL_KEYS": "newest,older",
    "SECPROF_ALLOWED_HOSTS": "secprof.example",
    "DATABASE_URL": "postgres://secprof@db.example/secprof",
    "REDIS_URL": "redis://broker.example:6379/0",
}


def settings_with(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> dict[str, Any]:
    for name in os.environ:
        if name.startswith("SECPROF_") or name in PRODUCTION:
            monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(SETTINGS)


@pytest.mark.parametrize("missing", sorted(PRODUCTION))
def test_production_without_one_variable_refuses_and_names_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != missing}

    with pytest.raises(ImproperlyConfigured) as refusal:
        settings_with(monkeypatch, environ)

    named = [name for name in PRODUCTION if name in str(refusal.value)]
    assert named == [missing]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "SECPROF_OIDC_ISSUER",
            "https://id.example",
            "lacks SECPROF_OIDC_CLIENT_ID, SECPROF_OIDC_C",
        ),
        ("SECPROF_OIDC_REQUIRED_GROUP", "staff", "lacks SECPROF_OIDC_ISSUER"),
        ("SECPROF_SECOND_FACTOR_FOR", "approving", "SECPROF_SECOND_FACTOR_FOR holds approving"),
        ("SECPROF_TRUSTED_PROXIES", "-1", "SECPROF_TRUSTED_PROXIES must be at least 0"),
        ("REDIS_URL", "amqp://broker.example", "REDIS_URL must begin with redis://"),
    ],
)
def test_production_with_half_a_sign_in_refuses_and_says_what_lacks(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        settings_with(monkeypatch, PRODUCTION | {name: value})


def test_production_complete_starts_hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, PRODUCTION)

    assert not settings["DEBUG"]
    assert settings["SESSION_COOKIE_SECURE"]
    assert settings["CSRF_COOKIE_SECURE"]
    cookies = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SECPROF_COOKIE_PREFIX")
    assert all(settings[name].startswith("__Host-") for name in cookies)
    assert settings["SECURE_HSTS_SECONDS"] >= 365 * 86400
    assert settings["SECURE_HSTS_INCLUDE_SUBDOMAINS"]
    assert settings["CACHES"]["default"]["LOCATION"] == ["redis://broker.example:6379/0"]
    assert settings["SECPROF_OIDC"] is None
    assert settings["SECURE_SSL_REDIRECT"]
    assert settings["SECPROF_CREDENTIAL_KEYS"] == ("newest", "older")
    assert not settings["SECPROF_ALLOW_LOOPBACK_CLUSTERS"]
    assert "Manifest" in settings["STORAGES"]["staticfiles"]["BACKEND"]


def test_production_secret_from_file_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file")
    environ = PRODUCTION | {"SECPROF_SECRET_KEY": "", "SECPROF_SECRET_KEY_FILE": str(file)}

    assert settings_with(monkeypatch, environ)["SECRET_KEY"] == "from a file"


@pytest.mark.parametrize("mode", ["SECPROF_DEMO", "SECPROF_DEBUG"])
def test_demo_and_debug_start_with_nothing_and_serve_loopback_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    settings = settings_with(monkeypatch, {mode: "1", "SECPROF_STATE_DIR": str(tmp_path / "new")})

    assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert settings["DATABASES"]["default"]["NAME"] == str(tmp_path / "new" / "secprof.sqlite3")
    assert not settings["SESSION_COOKIE_SECURE"]


def test_every_variable_is_in_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    class Recorder(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return super().get(name, default)

        def __contains__(self, name: object) -> bool:
            asked.add(str(name))
            return super().__contains__(name)

    monkeypatch.setattr(os, "environ", Recorder(PRODUCTION))
    runpy.run_path(SETTINGS)

    sample = Path(SETTINGS).parents[1].joinpath("deploy", "env.sample").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", sample, re.MULTILINE))
    assert {name for name in asked if not name.endswith("_FILE")} == named


def test_trail_key_that_is_none_refuses_and_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ImproperlyConfigured, match="32 bytes in base64") as refusal:
        settings_with(monkeypatch, {**PRODUCTION, "SECPROF_TRAIL_KEY": "short-secret"})

    assert "short-secret" not in str(refusal.value)


def test_trail_key_is_not_needed_and_an_installation_has_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_with(monkeypatch, PRODUCTION)

    assert settings["SECPROF_TRAIL_KEY"] == ""
    assert settings["SECPROF_INSTALLATION"] == "secprof.example"


def test_trail_key_is_read_from_a_file_in_either_alphabet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("_" * 42 + "8=")

    settings = settings_with(monkeypatch, {**PRODUCTION, "SECPROF_TRAIL_KEY_FILE": str(file)})

    assert settings["SECPROF_TRAIL_KEY"] == "_" * 42 + "8="
