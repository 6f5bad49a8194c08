"""The entry point: what claims another charset does not get as far as Django, which would fail while it builds the request."""

import io
from typing import Any

import pytest

from secprof_site import wsgi

EXPECTED = {
    "": True,
    "text/plain": True,
    "application/x-www-form-urlencoded": True,
    "application/x-www-form-urlencoded; charset=UTF-8": True,
    "multipart/form-data; boundary=x": True,
    "application/x-www-form-urlencoded; charset=hex": False,
    'application/x-www-form-urlencoded; CHARSET="ZLIB"': False,
    "application/x-www-form-urlencoded; charset=utf-16": False,
    "application/x-www-form-urlencoded; charset=utf-7": False,
    "application/x-www-form-urlencoded; charset=nonsense": False,
    "application/x-www-form-urlencoded; charset*=utf-8''hex": False,
    "application/x-www-form-urlencoded; charset*=nonsense''hex": False,
    "multipart/form-data; boundary=x; charset=idna": False,
}


def asked(content_type: str, query: str = "q=%FF&page=2") -> tuple[str, dict[str, str], bytes]:
    said: list[Any] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/healthz",
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": "3",
        "wsgi.input": io.BytesIO(b"a=b"),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }
    body = wsgi.application(environ, lambda status, headers, *_: said.extend((status, headers)))
    return said[0], dict(said[1]), b"".join(body)


@pytest.mark.parametrize(("content_type", "is_taken"), EXPECTED.items())
def test_charset_other_than_utf_8_is_refused_in_words(
    db: None, content_type: str, is_taken: bool
) -> None:
    status, headers, body = asked(content_type)

    # What is taken gets as far as Django, which misses the form's token.
    assert status.startswith("403" if is_taken else "400")
    if not is_taken:
        assert b"UTF-8" in body
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
