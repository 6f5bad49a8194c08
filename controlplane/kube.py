"""The few raw calls that a starting control plane needs. Not a client library: no retries, no types."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.errors import ControlPlaneError

_TIMEOUT_SECONDS = 15
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Refused(ControlPlaneError):
    """The API server did not accept a request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status and the body as text."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Parse the body of an accepted request.

        Raises:
            Refused: the request was not accepted.
        """
        if not self.ok:
            raise Refused(f"The API server answered {self.status}: {self.text[:500]}")
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed


@dataclass(frozen=True, slots=True)
class Api:
    """One API server as seen by the holder of one client certificate."""

    port: int
    ca_pem: str
    certificate: Path
    key: Path

    def get(self, path: str, accept: str = "application/json") -> Answer:
        """Read one path."""
        return self._send("GET", path, b"", {"Accept": accept})

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Create one object."""
        headers = {"Content-Type": "application/json"}
        return self._send("POST", path, json.dumps(body).encode(), headers)

    def apply(self, path: str, body: bytes) -> None:
        """Create or update one object, given as YAML or JSON, by server-side apply.

        Raises:
            Refused: the API server did not accept it.
        """
        headers = {"Content-Type": "application/apply-patch+yaml"}
        self._send("PATCH", f"{path}?fieldManager=controlplane&force=true", body, headers).json()

    def resources(self) -> frozenset[str]:
        """List what is served, as `plural.group`."""
        groups = self.get("/apis", accept=_DISCOVERY).json()["items"]
        return frozenset(
            f"{resource['resource']}.{group['metadata']['name']}"
            for group in groups
            for version in group.get("versions", ())
            for resource in version.get("resources", ())
        )

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        context = ssl.create_default_context(cadata=self.ca_pem)
        context.load_cert_chain(self.certificate, self.key)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS, context=context
        )
        try:
            connection.request(method, path, body=body or None, headers=dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()
