"""Secrets that nobody could take for anything else, and a watch over every place where one may come to light."""

import base64
import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from cryptography.fernet import Fernet
from django.apps import apps
from django.http import HttpResponse
from pytest_django import Settings

from secprof_site.logs import EventFormatter
from tests.unit.cluster.authority import Authority, encoded


def canary(word: str) -> str:
    return f"canary-{word}-{secrets.token_hex(8)}"


class Canaries:
    """One secret of each kind, and the forms in which each could be seen."""

    def __init__(self, authority: Authority) -> None:
        self.token = canary("token")
        self.password = canary("password")
        self.secret_key = canary("secret-key")
        self.older_key = canary("older-key")
        self.database = canary("database")
        self.broker = canary("broker")
        self.oidc = canary("oidc")
        self.credential_key = Fernet.generate_key().decode()
        self.certificate, self.client_key = authority.client("canary")

    def seen_in(self, text: str) -> list[str]:
        """Name the secrets that this text holds, plain, in base64 or by a line of their PEM."""
        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in {"certificate", "client_key"}
        }
        key_lines = self.client_key.splitlines()[1:-1]
        found = [name for name, value in plain.items() if value in text]
        found += [
            f"{name} in base64"
            for name, value in plain.items()
            if base64.b64encode(value.encode()).decode().rstrip("=") in text
        ]
        if any(line in text for line in key_lines) or encoded(self.client_key)[:60] in text:
            found.append("client_key")
        return found

    def set(self, settings: Settings) -> None:
        settings.SECRET_KEY = self.secret_key
        settings.SECRET_KEY_FALLBACKS = [self.older_key]
        settings.SECPROF_CREDENTIAL_KEYS = (self.credential_key,)
        settings.DATABASE_URL = f"postgres://secprof:{self.database}@db.example/secprof"
        settings.REDIS_URL = f"redis://:{self.broker}@127.0.0.1:1/0"
        settings.SECPROF_OIDC_CLIENT_SECRET = self.oidc
        settings.DEBUG = False

    def kubeconfig(self, server: str, ca_pem: str, **user: str) -> str:
        """Write a kubeconfig that holds all of them; `user` adds keys to its user."""
        held = {
            "token": self.token,
            "client-certificate-data": encoded(self.certificate),
            "client-key-data": encoded(self.client_key),
            **user,
        }
        cluster = {"server": server, "certificate-authority-data": encoded(ca_pem)}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": held}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )


class Watch:
    """All that came out: log lines, answers, prints, rows, files."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self.seen: list[str] = []
        self.line_count = 0

    def look(self, where: str, text: object) -> None:
        """Look at something that came out."""
        self.seen += [f"{name} in {where}" for name in self._canaries.seen_in(str(text))]

    def look_at_answer(self, where: str, response: HttpResponse) -> None:
        self.look(where, response.content.decode(errors="replace"))
        self.look(f"{where}, headers", dict(response.headers))

    def look_at_rows(self) -> None:
        """Look at every row of every table; the sealed credential too, which shows nothing."""
        for model in apps.get_models():
            for row in model._default_manager.values():
                self.look(f"a row of {model._meta.label}", row)
            for instance in model._default_manager.all()[:50]:
                self.look(f"repr of {model._meta.label}", f"{instance!r} {instance}")

    def look_at_files(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file():
                    self.look(f"the file {path.name}", path.read_bytes().decode("latin-1"))


class _Everything(logging.Handler):
    """Looks at each record: as our formatter writes it, and with all that hangs on it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self.setFormatter(EventFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.line_count += 1
        self._watch.look(f"a line of {record.name}", self.format(record))
        self._watch.look(f"a record of {record.name}", vars(record))


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Look at everything that any library logs, at every level."""
    handler, root = _Everything(watch), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
