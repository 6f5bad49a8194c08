"""Forms that are too large, too many, torn or expired: each ends on a designed page, and for HTMX as a note."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.datastructures import MultiValueDict
from pytest_django import Settings

from policies.domain.lint.documents import SIZE_LIMIT
from policies.domain.profiles import MAX_BYTES
from tests import factories
from tests.integration.web.conftest import HTMX

FORM = "application/x-www-form-urlencoded"
Browser = Callable[[str], Client]


def test_limit_lets_the_largest_text_through(settings: Settings) -> None:
    # A browser writes each byte of a form as three when it has to escape it.
    assert 3 * max(SIZE_LIMIT, MAX_BYTES) < settings.SECPROF_MAX_BODY_BYTES
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == settings.SECPROF_MAX_BODY_BYTES


@pytest.mark.parametrize("path", ["/policies/lint/", "/clusters/new/", "/profiles/new/", "/login/"])
def test_body_too_large_is_a_designed_413(browser: Browser, settings: Settings, path: str) -> None:
    body = b"text=" + b"x" * settings.SECPROF_MAX_BODY_BYTES

    response = browser("admin").post(path, body, content_type=FORM)

    assert response.status_code == 413
    assert "This is too large" in response.text
    assert "at most 4 MB" in response.text


def test_file_too_large_is_a_designed_413(browser: Browser, settings: Settings) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=upload; filename=a\r\n\r\n"
    body += b"x" * settings.SECPROF_MAX_BODY_BYTES + b"\r\n--x--\r\n"

    response = browser("admin").post(
        "/policies/lint/", body, content_type="multipart/form-data; boundary=x"
    )

    assert response.status_code == 413


@pytest.mark.parametrize("length", ["9" * 30, "99999999999"])
def test_body_that_says_it_is_huge_is_not_waited_for(browser: Browser, length: str) -> None:
    response = browser("admin").post(
        "/policies/lint/", b"text=x", content_type=FORM, CONTENT_LENGTH=length
    )

    assert response.status_code == 413


def test_body_too_large_by_htmx_is_a_note_that_leaves_the_page(
    browser: Browser, settings: Settings
) -> None:
    body = b"text=" + b"x" * settings.SECPROF_MAX_BODY_BYTES

    response = browser("admin").post("/policies/lint/", body, content_type=FORM, headers=HTMX)

    assert response.status_code == 413
    assert response.headers["HX-Retarget"] == "#messages"
    assert "<html" not in response.text


def test_fields_too_many_is_a_designed_400(browser: Browser, settings: Settings) -> None:
    body = b"&".join([b"namespace=x"] * (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))

    response = browser("operator").post("/flips/request/", body, content_type=FORM)

    assert response.status_code == 400
    assert "This cannot be read" in response.text
    assert "too many fields" in response.text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "multipart/form-data"),
        (b"--x\r\n", "multipart/form-data; boundary=" + "y" * 300),
        (b"--x\r\n" * 3, "multipart/form-data; boundary=\xe9"),
    ],
)
@pytest.mark.parametrize("path", ["/policies/lint/", "/nowhere/"])
def test_form_torn_is_answered_and_breaks_nothing(
    browser: Browser, path: str, body: bytes, content_type: str
) -> None:
    client = browser("admin")
    client.raise_request_exception = False

    response = client.generic("POST", path, body, content_type)

    assert response.status_code == (404 if path == "/nowhere/" else 400)
    assert "<h1>" in response.text


@pytest.mark.parametrize(
    ("method", "path", "values"),
    [
        ("get", "/trail/?q=a%00b", {}),
        ("get", "/readiness/1/a%00b/", {}),
        ("get", "/policies/prod/ClusterPolicy/%00/", {}),
        ("post", "/profiles/new/", {"name": "web", "mechanism": "seccomp", "text": "a\0"}),
        ("post", "/flips/request/", {"rea\0son": "x"}),
    ],
)
def test_nul_is_refused_before_any_database_hears_of_it(
    browser: Browser, method: str, path: str, values: dict[str, str]
) -> None:
    response = getattr(browser("operator"), method)(path, values or None)

    assert response.status_code == 400
    assert "NUL character" in response.text


@pytest.mark.parametrize("number", ["²", "٣", "9" * 20, "9" * 5000, "-1", "1e9", "", "0"])
@pytest.mark.parametrize("path", ["/trail/", "/flips/", "/policies/", "/readiness/", "/posture/"])
def test_page_number_that_makes_no_sense_is_the_first_or_the_last(
    browser: Browser, path: str, number: str
) -> None:
    factories.cluster()

    assert browser("viewer").get(path, {"page": number}).status_code == 200


def test_host_that_is_not_ours_is_refused_in_words(browser: Browser) -> None:
    response = browser("viewer").get("/", headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "evil.example" not in response.text


def posts() -> Iterator[str]:
    """Name every address, whatever methods it takes: Django looks at the token before any view does."""
    values = MultiValueDict(
        {
            "namespace": ["shop"],
            "cluster": ["prod"],
            "kind": ["ClusterPolicy"],
            "name": ["x"],
            "flip_id": ["0b1c7d8e-9d5f-4e0a-8a57-1d2c3b4a5f60"],
        }
    )
    for found in get_resolver().url_patterns:
        if not isinstance(found, URLResolver) or found.app_name != "policies":
            continue
        for pattern in found.url_patterns:
            if isinstance(pattern, URLPattern):
                names = pattern.pattern.converters
                yield reverse(
                    f"policies:{pattern.name}",
                    kwargs={name: values.get(name, _id(names[name])) for name in names},
                )


def _id(converter: object) -> str:
    is_uuid = type(converter).__name__ == "UUIDConverter"
    return "0b1c7d8e-9d5f-4e0a-8a57-1d2c3b4a5f60" if is_uuid else "1"


@pytest.mark.parametrize("path", sorted(set(posts())))
@pytest.mark.parametrize("token", [None, "s" * 32, "short"])
def test_post_without_its_token_is_refused_everywhere(
    db: None, path: str, token: str | None
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("admin"))
    client.cookies["csrftoken"] = "t" * 32
    values = {"csrfmiddlewaretoken": token} if token else {}

    page = client.post(path, values)
    note = client.post(path, values, headers=HTMX)

    assert page.status_code == note.status_code == 403
    assert "The form has expired" in page.text
    assert "The form has expired" in note.text
    assert "<html" not in note.text
    assert note.headers["HX-Retarget"] == "#messages"


def test_post_by_htmx_carries_the_token_of_the_page(browser: Browser) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("viewer"))

    text = client.get("/").text
    token = text.split('"X-CSRFToken": "')[1].split('"')[0]

    assert client.post("/theme/", {"theme": "dark"}).status_code == 403
    assert (
        client.post("/theme/", {"theme": "dark"}, headers={"X-CSRFToken": token}).status_code == 303
    )
