"""What every answer says to the browser, errors included; what cookies carry; what no template holds."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from tests import factories
from tests.integration.web.conftest import HTMX

TEMPLATES = sorted(Path(configured.BASE_DIR, "templates").rglob("*.html"))
INLINE = re.compile(
    r"""\s(?:style|on[a-z]+)\s*=|<style\b|<script(?![^>]*\ssrc=)|hx-on|hx-vals=["']js:|javascript:""",
    re.IGNORECASE,
)
Browser = Callable[[str], Client]


def answers(browser: Browser) -> dict[str, HttpResponse]:
    """Give an answer of each kind: pages, fragments, downloads, redirects and every error."""
    cluster = factories.cluster()
    client, strict = browser("viewer"), Client(enforce_csrf_checks=True)
    nobody = Client()
    return {
        "page": client.get("/"),
        "fragment": client.get("/clusters/", headers=HTMX),
        "sign in": nobody.get("/login/"),
        "to sign in": nobody.get("/clusters/"),
        "health": nobody.get("/healthz"),
        "400": client.generic("POST", "/policies/lint/", b"x", "multipart/form-data"),
        "403": client.post(f"/clusters/{cluster.pk}/test/"),
        "403 token": strict.post("/login/", {}),
        "404": client.get("/nowhere/"),
        "405": client.post("/"),
        "413": client.post(
            "/policies/lint/", b"", content_type="text/plain", CONTENT_LENGTH="9" * 9
        ),
        "host": client.get("/", headers={"Host": "evil.example"}),
        "500": _broken(client),
    }


def _broken(client: Client) -> HttpResponse:
    client.raise_request_exception = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policies.web.views.clusters.cluster_rows", lambda **_: 1 / 0)
        return client.get("/clusters/")


def test_every_answer_carries_every_header(browser: Browser) -> None:
    for name, response in answers(browser).items():
        policy = response.headers["Content-Security-Policy"]
        for directive in (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ):
            assert directive in policy, (name, directive)
        assert "unsafe" not in policy, name
        expected = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        found = {header: response.headers.get(header) for header in expected}
        assert found == expected, name
        assert "camera=()" in response.headers["Permissions-Policy"], name
        assert "Access-Control-Allow-Origin" not in response.headers, name


def test_answers_are_of_the_kinds_that_they_say(browser: Browser) -> None:
    wanted = {"page": 200, "fragment": 200, "sign in": 200, "to sign in": 302, "health": 200}
    for name, response in answers(browser).items():
        usual = {"host": 400, "403 token": 403}
        status = wanted.get(name) or usual.get(name) or int(name)
        assert response.status_code == status, name


def test_cookies_are_kept_from_scripts_and_from_other_sites(db: None) -> None:
    factories.user("viewer")
    client = Client()
    client.get("/login/")
    client.post("/login/", {"username": "viewer", "password": factories.PASSWORD})
    client.post("/theme/", {"theme": "dark"})

    assert set(client.cookies) == {"sessionid", "csrftoken", "theme"}
    for name, cookie in client.cookies.items():
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name
        assert cookie["path"] == "/", name
        assert not cookie["domain"], name


def test_theme_cookie_in_production_goes_over_tls_only(
    browser: Browser, settings: Settings
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client = browser("viewer")

    client.post("/theme/", {"theme": "dark"})

    assert client.cookies["theme"]["secure"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(configured.BASE_DIR)))
def test_template_holds_nothing_inline(path: Path) -> None:
    text = path.read_text()

    assert not INLINE.search(text)
    assert "|safe" not in text
    assert "autoescape off" not in text
    assert "csrf_exempt" not in text


@pytest.mark.parametrize(
    "text",
    [
        '<p style="x">',
        "<b onclick = 'x'>",
        "<script>x</script>",
        "<style>",
        '<a href="javascript:x">',
        "<p hx-on:click='x'>",
    ],
)
def test_what_is_inline_is_seen(text: str) -> None:
    assert INLINE.search(text)


def test_scripts_of_ours_leave_html_and_eval_alone() -> None:
    for path in Path(configured.BASE_DIR, "static", "js").glob("*.js"):
        text = path.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "document.write",
            "eval(",
            "new Function",
            "localStorage",
        ):
            assert word not in text, (path.name, word)
