"""A stub server and a gateway to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from policies.cluster.connection import Connection
from policies.cluster.kubernetes import KubernetesGateway
from tests.unit.cluster.authority import Authority
from tests.unit.cluster.stub import Stub, serve

OpenGateway = Callable[..., KubernetesGateway]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def stub(tmp_path: Path, authority: Authority) -> Iterator[Stub]:
    with serve(tmp_path, authority=authority) as running:
        yield running


@pytest.fixture
def open_gateway() -> Iterator[OpenGateway]:
    with ExitStack() as opened:

        def open_one(connection: Connection, **options: Any) -> KubernetesGateway:
            gateway = KubernetesGateway(connection, **options)
            opened.callback(gateway.close)
            return gateway

        yield open_one


@pytest.fixture
def gateway(stub: Stub, open_gateway: OpenGateway) -> KubernetesGateway:
    return open_gateway(stub.connection())
