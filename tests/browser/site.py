"""secprof at http://localhost with a second factor demanded and a provider: the web process of a seeded demo alone.

At a host name, for passkeys do not work at 127.0.0.1. No worker: nothing here goes on after a decision.
"""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from launch.installation import Installation
from tests.browser.product import ROOT
from tests.oidc.provider import CLIENT_ID, CLIENT_SECRET
from tests.oidc.running import Provider, free_port, running

START_SECONDS = 240


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[tuple[Installation, str, Provider]]:
    """Start provider and web process, and stop both."""
    port = free_port()
    address = f"http://localhost:{port}"
    callback = f"{address}/login/oidc/callback/"
    place = Installation(directory / "site")
    place.hold().close()
    with running(directory / "provider", "alice", callbacks=(callback,)) as provider:
        environ = place.environ(os.environ, broker_url="memory://", kyverno=False) | {
            "SECPROF_SECOND_FACTOR_FOR": "approve,override,weaken",
            "SECPROF_OIDC_ISSUER": provider.issuer,
            "SECPROF_OIDC_CLIENT_ID": CLIENT_ID,
            "SECPROF_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "SECPROF_OIDC_NAME": "Example ID",
            "SECPROF_OIDC_GROUPS": "auditors",
        }
        with (directory / "log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-m", "launch.prepare"],
                cwd=ROOT,
                env=environ,
                stdout=log,
                stderr=log,
                check=True,
            )
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "secprof_site.wsgi"),
                    *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
                    *("--workers", "1", "--threads", "4", "--no-control-socket"),
                ],
                cwd=ROOT,
                env=environ,
                stdout=log,
                stderr=log,
            )
            try:
                _await_answer(address, process)
                yield place, address, provider
            finally:
                process.terminate()
                process.wait(20)


def _await_answer(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the web process does not answer"
            time.sleep(0.2)
