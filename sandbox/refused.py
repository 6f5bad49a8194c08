"""The sandbox's refusals: a status and a text as the API server sends them, read like those of a real one."""

import json

from policies.cluster.errors import ClusterError
from policies.cluster.gateway import Resource
from policies.cluster.refusals import refusal
from sandbox.kinds import is_built_in


def refused(status: int, text: str) -> ClusterError:
    """Make the error that a gateway makes of this answer."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text}
    return refusal(status, json.dumps(body).encode())


def not_found(resource: Resource, name: str) -> ClusterError:
    return refused(404, f'{resource.full_name} "{name}" not found')


def not_served(resource: Resource) -> ClusterError:
    """A path that leads nowhere: only the built-in groups answer such with a Status."""
    if is_built_in(resource):
        return refused(404, "the server could not find the requested resource")
    return refusal(404, b"404 page not found\n")


def exists_already(resource: Resource, name: str) -> ClusterError:
    return refused(409, f'{resource.full_name} "{name}" already exists')


def not_fulfilled(resource: Resource, name: str, why: str) -> ClusterError:
    return refused(409, f'Operation cannot be fulfilled on {resource.full_name} "{name}": {why}')


def invalid(resource: Resource, name: str, why: str) -> ClusterError:
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return refused(422, f'{kind} "{name}" is invalid: {why}')
