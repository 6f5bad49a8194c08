"""Attempts are counted for all processes together, in the broker that the demo brings along."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django.test import Client

from launch import broker
from secprof_site.sign_in import caches as described
from tests import factories
from tests.signing import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def socket_path(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Run a private broker, and count attempts there."""
    chosen = broker.choose(tmp_path, {})
    process = subprocess.Popen(chosen.command, stdout=subprocess.DEVNULL)
    try:
        broker.await_answer(chosen, seconds=30)
        settings.CACHES = described(chosen.url, local=False)
        assert chosen.socket_path
        yield chosen.socket_path
        caches["default"].close()
    finally:
        process.terminate()
        process.wait(10)


def test_attempts_lie_in_the_broker_as_json_without_any_name(socket_path: Path) -> None:
    factories.user("operator")
    for _ in range(5):
        assert sign_in(Client(), "operator", "wrong").status_code == 200

    assert sign_in(Client(), "operator").status_code == 429

    with redis.Redis(unix_socket_path=str(socket_path)) as connection:
        stored = {key: connection.get(key) for key in connection.scan_iter("secprof*")}
        assert all(connection.ttl(key) > 0 for key in stored)
    lists = [json.loads(value) for value in stored.values() if value]
    assert [len(each) for each in lists if isinstance(each, list)].count(5) >= 1
    assert not any(b"operator" in key for key in stored)


def test_attempts_that_another_process_counted_count(socket_path: Path) -> None:
    factories.user("operator")
    for _ in range(5):
        sign_in(Client(), "operator", "wrong")
    with redis.Redis(unix_socket_path=str(socket_path)) as elsewhere:
        elsewhere.flushall()

    assert sign_in(Client(), "operator").status_code == 302
