"""The WSGI entry point for gunicorn, and what is refused before Django looks at a request at all."""

import gc
import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "secprof_site.settings")

_PLAIN_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_ANSWER = b"A form is sent in UTF-8, and this one says that it is not.\n"
_django = get_wsgi_application()
# What was loaded at the start stays, and is not searched for garbage: that took a tenth of a second, in the middle of
# somebody's page.
gc.freeze()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request.

    Django decodes even the address with the charset that a body claims, while it builds the request: a codec that is
    none for text (`hex`) would end outside of every error page.
    """
    if is_plain(environ.get("CONTENT_TYPE", "")):
        return _django(environ, start_response)
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(_ANSWER))),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
    ]
    start_response("400 Bad Request", headers)
    return [_ANSWER]


def is_plain(content_type: str) -> bool:
    """Say whether a body is in UTF-8, read as Django will read it."""
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:
        return False
    return parameters.get("charset", "utf-8").lower() in _PLAIN_CHARSETS
