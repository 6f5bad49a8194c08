"""Browsers of people who are signed in, on rows or on a small sandbox company."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests import factories
from tests.integration.actions.conftest import SandboxWorld, people, world

__all__ = ["SandboxWorld", "people", "world"]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(db: None) -> Callable[[str], Client]:
    """Give the browser of a user with this role."""

    def signed_in(role: str) -> Client:
        client = Client()
        client.force_login(factories.user(role))
        return client

    return signed_in


@pytest.fixture
def hands(world: SandboxWorld) -> Callable[[str], Client]:
    """Give the browser of one of the world's people."""

    def signed_in(role: str) -> Client:
        user = User.objects.get(username=role)
        factories.grant(user, role)
        client = Client()
        client.force_login(user)
        return client

    return signed_in
