"""Read settings from the environment. The only place that looks at variables; imports no Django settings.

Each reader takes the environment as an argument, so that it can be tested without touching the process's own.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

Environ = Mapping[str, str]

_TRUE = frozenset({"1", "true", "yes", "on"})
_URL_SAFE = str.maketrans("-_", "+/")
_FALSE = frozenset({"0", "false", "no", "off", ""})
_POSTGRES_SCHEMES = frozenset({"postgres", "postgresql"})

# Writers wait for each other instead of failing: IMMEDIATE takes the write lock when a transaction begins,
# and readers never wait in WAL mode. A collection writes some ten thousand rows at once: a checkpoint every 32 MB is enough.
_SQLITE_OPTIONS = {
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-8000;PRAGMA wal_autocheckpoint=8000;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def read_text(environ: Environ, name: str, default: str = "") -> str:
    """Read a variable without surrounding white space; an empty one counts as unset."""
    return environ.get(name, "").strip() or default


def read_secret(environ: Environ, name: str, default: str = "") -> str:
    """Read `name`, or else the file that `name`_FILE points to.

    Raises:
        ImproperlyConfigured: the file cannot be read, or both variables are set.
    """
    file_name = read_text(environ, f"{name}_FILE")
    if not file_name:
        return read_text(environ, name, default)
    if read_text(environ, name):
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    try:
        return Path(file_name).read_text(encoding="utf-8").strip() or default
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names {file_name}, which cannot be read."
        ) from error


def read_seed(environ: Environ, name: str, *, length: int) -> str:
    """Read a secret of so many bytes in base64, and leave it in base64; empty when there is none.

    Raises:
        ImproperlyConfigured: it is something else. The message never holds it.
    """
    text = read_secret(environ, name)
    try:
        found = len(base64.b64decode(text.translate(_URL_SAFE), validate=True))
    except (binascii.Error, ValueError):
        found = -1
    if text and found != length:
        raise ImproperlyConfigured(f"{name} must be {length} bytes in base64.") from None
    return text


def read_flag(environ: Environ, name: str, *, default: bool = False) -> bool:
    """Read a yes or no. Raises ImproperlyConfigured for any other word."""
    if name not in environ:
        return default
    word = environ[name].strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {environ[name]!r}.")


def read_count(environ: Environ, name: str, default: int, *, minimum: int = 0) -> int:
    """Read a whole number. Raises ImproperlyConfigured when it is none, or below `minimum`."""
    text = read_text(environ, name)
    if not text:
        return default
    try:
        count = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from None
    if count < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {count}.")
    return count


def read_list(environ: Environ, name: str) -> tuple[str, ...]:
    """Read values separated by commas, in order."""
    return split_list(read_text(environ, name))


def split_list(text: str) -> tuple[str, ...]:
    """Split at commas and drop empty values."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_database_url(url: str) -> dict[str, Any]:
    """Turn `sqlite:///relative`, `sqlite:////absolute`, `sqlite://:memory:` or `postgres://…` into DATABASES' form.

    A PostgreSQL socket directory stands in the query: `postgres://user@/name?host=/run/postgresql`. Other query
    arguments go to the driver as they are (`sslmode=verify-full`).

    Raises:
        ImproperlyConfigured: another scheme, or no database name. The message never holds the password.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(unquote(url.removeprefix("sqlite://")))
    if parts.scheme in _POSTGRES_SCHEMES:
        return _postgres(url)
    raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:// or postgres://.")


def _sqlite(name: str) -> dict[str, Any]:
    path = name.removeprefix("/")
    if not path:
        raise ImproperlyConfigured("DATABASE_URL names no database file.")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": dict(_SQLITE_OPTIONS),
    }


def _postgres(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL has no valid host and port.") from None
    options = dict(parse_qsl(parts.query))
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(port or options.pop("port", "")),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
