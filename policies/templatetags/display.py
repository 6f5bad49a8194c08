"""Template tags that draw: marks, icons, times and sizes. They ask nothing and decide nothing."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from policies.web import words
from policies.web.marks import mark_of
from policies.web.presenters.readiness import ShownCell

register = template.Library()


# What is drawn from words alone is drawn once: a page of the matrix has a mark in each of its cells.


@register.simple_tag
@lru_cache(maxsize=128)
def icon(name: str) -> SafeString:
    """Draw a symbol of the sprite, without a name of its own: a word always stands beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"></use></svg>',
        name,
    )


@register.simple_tag
def mark(family: str, status: str, note: str = "") -> SafeString:
    """Draw a status: shape, word and tone, and a short note behind it."""
    if not note:
        return _mark(family, status, mark_safe(""))
    return _mark(family, status, format_html(' <span class="state-note">{}</span>', note))


@lru_cache(maxsize=1024)
def _mark(family: str, status: str, tail: SafeString) -> SafeString:
    found = mark_of(family, status)
    return format_html(
        '<span class="state state-{}">{}<span class="state-word">{}</span>{}</span>',
        found.tone,
        icon(found.shape),
        found.word,
        tail,
    )


_CELL = (
    '<a class="cell"{} data-policy="{}" id="cell-{}-{}" href="{}" hx-get="{}"'
    ' hx-target="#panel" hx-swap="innerHTML" hx-push-url="true">{}{}</a>'
)
_IS_OPEN = mark_safe(' aria-current="true"')
_IS_WAITING = mark_safe('<span class="cell-waiting">flip asked for</span>')
_NOTHING = mark_safe("")


@register.simple_tag
def cell_link(cell: ShownCell, back_query: str) -> SafeString:
    """Draw a cell of the matrix as the link to its panel. In a template it would be most of what the page costs."""
    address = reverse("policies:cell", args=(cell.variant_id, cell.namespace))
    panel = f"{address}?{back_query}"
    return format_html(
        _CELL,
        _IS_OPEN if cell.is_open else _NOTHING,
        cell.variant,
        cell.variant_id,
        cell.namespace,
        panel,
        panel,
        mark("cell", cell.state, cell.note),
        _IS_WAITING if cell.is_waiting else _NOTHING,
    )


@register.simple_tag
def ago(at: datetime | None, nothing: str = "never") -> SafeString:
    """Say how long ago, with the exact time on demand."""
    if at is None:
        return format_html('<span class="none">{}</span>', nothing)
    exact = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%d %b %Y, %H:%M:%S} UTC",
        words.ago(at, timezone.now()),
    )


@register.simple_tag
def clock(at: datetime | None) -> SafeString:
    """Give the time of day, with the date on demand."""
    if at is None:
        return mark_safe("")
    exact = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%d %b %Y, %H:%M:%S} UTC",
        f"{exact:%H:%M:%S}",
    )


@register.simple_tag
def day(at: datetime | None, nothing: str = "never") -> SafeString:
    """Give a day, with how far away it is on demand."""
    if at is None:
        return format_html('<span class="none">{}</span>', nothing)
    exact = at.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}, {}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%H:%M} UTC",
        words.ago(at, timezone.now()),
        words.day(exact),
    )


@register.filter
def figure(number: int | None) -> str:
    """Write a count with separators; nothing for None."""
    return "" if number is None else f"{number:,}"


@register.filter
def coded(text: str) -> SafeString:
    """Show what stands between backticks as code."""
    parts = text.split("`")
    shapes = ("{}", "<code>{}</code>")
    drawn = ((format_html(shapes[n % 2], part),) for n, part in enumerate(parts))
    return format_html_join("", "{}", drawn)


@register.filter
def size(byte_count: int) -> str:
    """Write a size."""
    return words.size(byte_count)


@register.filter
def counted(number: int, noun: str) -> str:
    """Write a count with its noun: `{{ n|counted:"workload" }}`."""
    return words.count_of(number, noun)


@register.filter
def short(digest: str) -> str:
    """Cut a digest to what people compare."""
    return digest[:12]


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Write the address's query with some values changed; None takes one away."""
    values = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    return f"?{values.urlencode()}"
