"""Reading the environment: what is understood, and what is refused by name."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from secprof_site import env


@pytest.mark.parametrize(
    ("word", "expected"),
    [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("", False)],
)
def test_read_flag_known_word_is_understood(word: str, expected: bool) -> None:
    assert env.read_flag({"FLAG": word}, "FLAG", default=not expected) is expected


def test_read_flag_unset_is_default() -> None:
    assert env.read_flag({}, "FLAG", default=True) is True


def test_read_flag_other_word_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="FLAG must be 1 or 0, not 'maybe'"):
        env.read_flag({"FLAG": "maybe"}, "FLAG")


@pytest.mark.parametrize("text", ["", "  "])
def test_read_count_empty_is_default(text: str) -> None:
    assert env.read_count({"COUNT": text}, "COUNT", 7) == 7


@pytest.mark.parametrize(
    ("text", "message"), [("ten", "whole number"), ("1.5", "whole number"), ("2", "at least 3")]
)
def test_read_count_wrong_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"COUNT must be .*{message}"):
        env.read_count({"COUNT": text}, "COUNT", 7, minimum=3)


def test_read_list_drops_empty_values_and_keeps_order() -> None:
    assert env.read_list({"LIST": " b, a,,"}, "LIST") == ("b", "a")


def test_read_secret_file_is_read_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\n")

    assert env.read_secret({"KEY_FILE": str(file)}, "KEY") == "from a file"


def test_read_secret_file_missing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="KEY_FILE names .* cannot be read"):
        env.read_secret({"KEY_FILE": str(tmp_path / "none")}, "KEY")


def test_read_secret_both_ways_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="KEY or KEY_FILE, not both"):
        env.read_secret({"KEY": "one", "KEY_FILE": "/two"}, "KEY")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///relative.sqlite3", "relative.sqlite3"),
        ("sqlite:////srv/with%20space/absolute.sqlite3", "/srv/with space/absolute.sqlite3"),
        ("sqlite://:memory:", ":memory:"),
    ],
)
def test_database_url_sqlite_names_the_file(url: str, name: str) -> None:
    parsed = env.parse_database_url(url)

    assert parsed["NAME"] == name
    assert parsed["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in parsed["OPTIONS"]["init_command"]


def test_database_url_postgres_is_taken_apart() -> None:
    parsed = env.parse_database_url("postgres://us%40er:p%2Fw@db.example:5433/name?sslmode=require")

    assert (parsed["USER"], parsed["PASSWORD"]) == ("us@er", "p/w")
    assert (parsed["HOST"], parsed["PORT"], parsed["NAME"]) == ("db.example", "5433", "name")
    assert parsed["OPTIONS"] == {"sslmode": "require"}


def test_database_url_postgres_socket_directory_is_the_host() -> None:
    parsed = env.parse_database_url("postgresql://user@/name?host=/run/postgresql")

    assert (parsed["HOST"], parsed["PORT"]) == ("/run/postgresql", "")
    assert parsed["OPTIONS"] == {}


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hidden@host/name",
        "postgres://user:hidden@host:port/name",
        "postgres://user:hidden@host/",
        "sqlite:///",
        "hidden",
    ],
)
def test_database_url_wrong_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.parse_database_url(url)

    assert "DATABASE_URL" in str(refusal.value)
    assert "hidden" not in str(refusal.value)
