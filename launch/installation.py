"""What one demo keeps between starts: its directory, its secrets, and the environment of its processes."""

import base64
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

_OURS = ("SECPROF_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "CELERY_")
_ROTATE_BYTES = 5_000_000


class InstallationBusy(Exception):
    """Another demo runs from the same directory."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once for each installation; kept in a file that only its owner reads."""

    secret_key: str
    credential_key: str
    password: str


def _trail_key(own: Secrets) -> str:
    """Make the key of the trail from the secret key, so that demos of before have one too."""
    seed = hashlib.sha256(f"trail {own.secret_key}".encode()).digest()
    return base64.b64encode(seed).decode()


@dataclass(frozen=True, slots=True)
class Installation:
    """One demo's directory."""

    directory: Path

    @property
    def logs(self) -> Path:
        return self.directory / "log"

    @property
    def kubeconfigs(self) -> Path:
        """The file that lists the kubeconfigs of this demo's control planes, once they are up."""
        return self.directory / "kubeconfigs"

    @property
    def fresh(self) -> bool:
        """True before its first start."""
        return not self._secrets.exists()

    @property
    def _secrets(self) -> Path:
        return self.directory / "secrets.json"

    def hold(self) -> IO[str]:
        """Lock the directory for as long as the answer is open. Raises InstallationBusy."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = (self.directory / "lock").open("w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            raise InstallationBusy(
                f"A demo already runs from {self.directory}; stop it first (Ctrl-C in its terminal)."
            ) from None
        return held

    def secrets(self) -> Secrets:
        """Read this installation's secrets, or make them."""
        path = self._secrets
        if path.exists():
            return Secrets(**json.loads(path.read_text(encoding="utf-8")))
        made = Secrets(
            secret_key=secrets.token_urlsafe(48),
            credential_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            password=secrets.token_urlsafe(9),
        )
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(made), file)
        fresh.rename(path)
        return made

    def trim_logs(self) -> None:
        """Set aside logs that have grown large."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > _ROTATE_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def environ(
        self, inherited: Mapping[str, str], *, broker_url: str, kyverno: bool
    ) -> dict[str, str]:
        """Compose the environment of all processes; nothing that was set for another installation gets in."""
        own = self.secrets()
        kept = {
            name: value
            for name, value in inherited.items()
            if not name.startswith(_OURS) or name == "SECPROF_LOG_LEVEL"
        }
        return kept | {
            "DJANGO_SETTINGS_MODULE": "secprof_site.settings",
            "SECPROF_DEMO": "1",
            "SECPROF_DEMO_PASSWORD": own.password,
            "SECPROF_SECRET_KEY": own.secret_key,
            "SECPROF_CREDENTIAL_KEYS": own.credential_key,
            "SECPROF_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "SECPROF_STATE_DIR": str(self.directory),
            "SECPROF_STATIC_ROOT": str(self.directory / "static"),
            "SECPROF_ALLOW_LOOPBACK_CLUSTERS": "1" if kyverno else "0",
            "SECPROF_TRAIL_KEY": _trail_key(own),
            "DATABASE_URL": f"sqlite:///{quote(str(self.directory / 'secprof.sqlite3'))}",
            "REDIS_URL": broker_url,
            "PYTHONUNBUFFERED": "1",
        }
