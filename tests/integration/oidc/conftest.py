"""One provider process for these tests, secprof configured for it, and a person who walks between the two."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.http import HttpResponse
from django.test import Client

from secprof_site import sign_in
from tests.oidc.provider import CLIENT_ID, CLIENT_SECRET, PASSWORD
from tests.oidc.running import Provider, running

Configure = Callable[..., None]
MOST_HOPS = 8


@pytest.fixture(scope="package")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("provider"), "alice", "bob", "operator") as provider:
        yield provider


@pytest.fixture
def provider(process: Provider) -> Provider:
    """The provider, with its door open and nothing to claim about anybody."""
    process.door.open()
    process.tell(alice={}, bob={}, operator={})
    return process


@pytest.fixture
def configure(settings: Any, provider: Provider) -> Configure:
    """Tell secprof of the provider, with some values changed."""
    environ = {
        "SECPROF_OIDC_ISSUER": provider.issuer,
        "SECPROF_OIDC_CLIENT_ID": CLIENT_ID,
        "SECPROF_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "SECPROF_OIDC_NAME": "Example ID",
        "SECPROF_OIDC_GROUPS": "sec-approvers=approvers,auditors,secprof-*",
    }
    found = sign_in.read_oidc(environ, plain_loopback=True)
    assert found is not None

    def tell(**changes: Any) -> None:
        oidc = replace(found, **changes)
        settings.SECPROF_OIDC = oidc
        settings.SOCIALACCOUNT_PROVIDERS = sign_in.providers(oidc)

    tell()
    return tell


class Walker:
    """Somebody's browser: at secprof, and at the provider."""

    def __init__(self) -> None:
        self.client = Client()
        self.elsewhere = requests.Session()

    def leave(self, **form: str) -> HttpResponse:
        """Choose the provider at secprof's sign-in page."""
        return self.client.post("/login/oidc/", form)

    def address(self, **form: str) -> str:
        """Where secprof sends this browser."""
        page = self.leave(**form)
        assert page.status_code == 200, page.text
        found = re.search(r'content="0; url=([^"]+)"', page.text)
        assert found, page.text
        return html.unescape(found[1])

    def log_in(self, address: str, name: str, password: str = PASSWORD) -> str:
        """Log in at the provider if it asks, and give the address on which it leads back."""
        response = self.elsewhere.get(address, allow_redirects=False, timeout=20)
        for _ in range(MOST_HOPS):
            if response.status_code != 302:
                break
            to = requests.compat.urljoin(response.url, response.headers["Location"])
            if urlsplit(to).hostname == "testserver":
                return to.removeprefix("http://testserver")
            response = self.elsewhere.get(to, allow_redirects=False, timeout=20)
            if response.status_code == 200 and "The provider" in response.text:
                hidden = re.findall(r'name="(\w+)" value="([^"]+)"', response.text)
                form = {key: html.unescape(value) for key, value in hidden}
                form |= {"username": name, "password": password}
                response = self.elsewhere.post(to, form, allow_redirects=False, timeout=20)
        raise AssertionError(f"{response.status_code}: {response.text}")

    def sign_in(self, name: str = "alice", **form: str) -> HttpResponse:
        """Do all of it."""
        return self.client.get(self.log_in(self.address(**form), name))

    @property
    def is_in(self) -> bool:
        return self.client.get("/account/").status_code == 200


@pytest.fixture
def walker(db: None, configure: Configure) -> Walker:
    return Walker()
