"""Kubeconfig text with everything inline: no paths, no programs to run."""

import base64

import yaml

from controlplane.certificates import Pair


def with_certificate(server: str, ca_pem: str, user: str, pair: Pair) -> str:
    """Render a kubeconfig whose user shows a client certificate."""
    credentials = {
        "client-certificate-data": _base64(pair.certificate),
        "client-key-data": _base64(pair.key),
    }
    return _render(server, ca_pem, user, credentials)


def with_token(server: str, ca_pem: str, user: str, token: str) -> str:
    """Render a kubeconfig whose user shows a bearer token."""
    return _render(server, ca_pem, user, {"token": token})


def _render(server: str, ca_pem: str, user: str, credentials: dict[str, str]) -> str:
    cluster = {"server": server, "certificate-authority-data": _base64(ca_pem)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "controlplane", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [
            {"name": "controlplane", "context": {"cluster": "controlplane", "user": user}}
        ],
        "current-context": "controlplane",
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
