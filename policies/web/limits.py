"""What is turned away before a view sees it: bodies that are too large, and text that no database takes.

The limits stand in the settings. What Django itself refuses (too many fields, a malformed form) ends on the same page.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict

from policies.web.errors import Trouble, respond_trouble

NUL = "\x00"

HOLDS_NUL = Trouble(
    400,
    "This cannot be read",
    "There is a NUL character in what was sent. Nothing was kept: take it out, and send it again.",
)


def too_large() -> Trouble:
    """Word the answer to a body that is too large."""
    limit = settings.SECPROF_MAX_BODY_BYTES / 2**20
    return Trouble(
        413,
        "This is too large",
        f"A form takes at most {limit:g} MB with everything in it; nothing was read or kept. Send less at once.",
    )


class Limits:
    """Middleware: refuse by size before the body is read, and by content before a view is called."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _length(request) > settings.SECPROF_MAX_BODY_BYTES:
            return respond_trouble(request, too_large())
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Refuse text with a NUL in it, which PostgreSQL does not store or compare."""
        said = [request.path, *map(str, args), *map(str, kwargs.values())]
        if any(NUL in text for text in said) or _has_nul(request.GET) or _has_nul(request.POST):
            return respond_trouble(request, HOLDS_NUL)
        return None


def _length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return 0  # Django reads no body either
    return int(length) if len(length) < 19 else settings.SECPROF_MAX_BODY_BYTES + 1


def _has_nul(values: QueryDict) -> bool:
    return any(NUL in key or any(NUL in text for text in texts) for key, texts in values.lists())
