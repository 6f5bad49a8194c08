"""Requests that nobody means well with, made from a seed: the same number gives the same request again.

Every address that the resolver knows, with every method, as anybody, with forms that are stale, torn, swollen or odd.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import getmembers, isclass
from typing import Any
from urllib.parse import quote, quote_plus

from django import forms
from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from policies.web import (
    forms as cluster_forms,
)
from policies.web import (
    inventory_forms,
    policy_forms,
    profile_forms,
    variant_forms,
)

METHODS = ("GET", "GET", "GET", "HEAD", "POST", "POST", "POST", "POST", "PUT", "PATCH", "DELETE")
ODD_METHODS = ("OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X")
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----hostile"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

NAMES = [
    "page",
    "q",
    "cluster",
    "team",
    "namespace",
    "control",
    "grade",
    "weakness",
    "stage",
    "verdict",
    "system",
    "variant",
    "show",
    "seen",
    "revision",
    "against",
    "version",
    "before",
    "after",
    "object",
    "mechanism",
    "profile",
    "pool",
    "template",
    "example",
    "kind",
    "written",
    "actor",
    "verb",
    "outcome",
    "reason",
    "comment",
    "plan_digest",
    "override_reason",
    "theme",
    "next",
    "intent",
    "username",
    "password",
    "login",
    "code",
    "objects",
    "labels",
    "name",
    "text",
    "csrfmiddlewaretoken",
    "_method",
]
NUMBERS = (
    "1",
    "0",
    "-1",
    "²",
    "٣",
    "1e9",
    "0x1f",
    "1.5",
    " 1",
    "1_0",
    "9" * 20,
    "9" * 5000,
    "NaN",
    "1" + "0" * 30,
)
TEXTS = (
    "",
    "shop",
    "\x00",
    "a\x00b",
    "\r\nSet-Cookie: a=b",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "%",
    "_%_",
    "{{ 7*7 }}{% csrf_token %}",
    "${jndi:ldap://x/y}",
    "\ud7ff\ufffe\U0010ffff",
    "\u202eabc\u200b",
    "x" * 300,
    "x" * 70_000,
    "=cmd|' /C calc'!A0",
    "//evil.example/",
    "https://evil.example/",
    "javascript:alert(1)",
    "00000000-0000-0000-0000-000000000000",
    "not-a-uuid",
    *NUMBERS,
)
WITHOUT_NUL = tuple(text for text in TEXTS if "\x00" not in text)
BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "[" * 20_000,
    "{a: " * 5_000,
    '{"a":' * 20_000,
    "- " * 20_000,
    "!!python/object/apply:os.system ['true']",
    "? " * 3_000,
    "%TAG ! tag:x,2000:\n---\n!x y",
    "---\n" * 3_000,
    "a: " + "9" * 5_000,
    "a: 2001-99-99T99:99:99",
    "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://[::1'}}]",
    "profile x { " + "/a* r, " * 2_000,
    "profile x {" * 2_000,
    "/" + "{a,b}" * 200 + " r,",
    '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":' + "[" * 500 + "]" * 500 + "}",
    "{{" + " " * 3_000 + "x",
)
RAW_QUERIES = (
    "%zz",
    "%00=%00",
    "%ED%A0%80=1",
    "a=1&a=2&a[]=3",
    "&&&===",
    "page=%FF%FE",
    "q=" + "%F0" * 50,
    ";a=b",
)


@dataclass(frozen=True)
class Route:
    """One address: its text between the arguments, and each argument's converter and name."""

    parts: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Attack:
    """One request, and what is true of the sender."""

    number: int
    role: str
    has_token: bool
    method: str
    path: str
    query: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_replayed: bool = False

    def __str__(self) -> str:
        said = f"{self.body[:120]!r} ({len(self.body)} bytes)"
        return (
            f"#{self.number} {self.role} token={self.has_token} {self.method} {self.path[:120]}?{self.query[:120]}"
            f" {self.content_type} {dict(self.headers)} {said}"
        )


def routes() -> tuple[Route, ...]:
    """Read every address that the resolver knows."""
    return tuple(_walk(get_resolver().url_patterns, ()))


def _walk(patterns: list[Any], before: tuple[Any, ...]) -> Iterator[Route]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, (*before, each.pattern))
        elif isinstance(each, URLPattern):
            yield _route((*before, each.pattern))


def _route(patterns: tuple[Any, ...]) -> Route:
    parts, arguments = [""], []
    for pattern in patterns:
        text = (
            str(pattern)
            if isinstance(pattern, RoutePattern)
            else simplify_regex(str(pattern)).lstrip("/")
        )
        while "<" in text:
            head, _, rest = text.partition("<")
            argument, _, text = rest.partition(">")
            converter, _, name = argument.rpartition(":")
            parts[-1] += head
            parts.append("")
            arguments.append((converter or "str", name))
        parts[-1] += text
    return Route(tuple(parts), tuple(arguments))


@cache
def field_names() -> tuple[str, ...]:
    """Name every field of every form, and those that views read by hand."""
    names = set(NAMES)
    for module in (cluster_forms, inventory_forms, policy_forms, profile_forms, variant_forms):
        for _, form in getmembers(module, isclass):
            if issubclass(form, forms.Form):
                names |= set(form.base_fields)
    return tuple(sorted(names))


class Attacker:
    """Makes attacks on a company whose rows have these ids: `known` maps an argument's name to values that exist."""

    def __init__(
        self, known: Mapping[str, tuple[str, ...]], roles: tuple[str, ...], seed: int
    ) -> None:
        self._known = known
        self._roles = roles
        self._seed = seed
        self._routes = routes()
        self._is_near = False
        self._texts = TEXTS

    def attack(self, number: int) -> Attack:
        """Make the attack with this number."""
        dice = random.Random(f"{self._seed}:{number}")
        # Every address is met before any is met again.
        route = self._routes[number % len(self._routes)]
        # A third comes close to what is honest, to get past the first doors.
        self._is_near = dice.random() < 0.35
        self._texts = TEXTS if dice.random() < 0.2 else WITHOUT_NUL
        method = dice.choice(ODD_METHODS if dice.random() < 0.06 else METHODS)
        if self._is_near:
            method = dice.choice(("GET", "POST", "POST"))
        body, content_type = self._body(dice) if method not in {"GET", "HEAD"} else (b"", "")
        return Attack(
            number=number,
            role=dice.choice(self._roles),
            has_token=self._is_near or dice.random() < 0.6,
            method=method,
            path=self._path(dice, route),
            query=self._query(dice),
            body=body,
            content_type=content_type,
            headers=_headers(dice),
            is_replayed=dice.random() < 0.25,
        )

    def _path(self, dice: random.Random, route: Route) -> str:
        path = route.parts[0]
        for (converter, name), after in zip(route.arguments, route.parts[1:], strict=True):
            path += quote(self._argument(dice, converter, name), safe="") + after
        if not self._is_near and dice.random() < 0.04:
            path += dice.choice(("%00", "../", "//", "x" * 3000, "%2e%2e/", ";a", "%C0%AF"))
        return "/" + path

    def _argument(self, dice: random.Random, converter: str, name: str) -> str:
        if self._known.get(name) and (self._is_near or dice.random() < 0.65):
            return dice.choice(self._known[name])
        is_number = converter == "int" and dice.random() < 0.7
        return dice.choice(NUMBERS if is_number else self._texts)[:5000]

    def _query(self, dice: random.Random) -> str:
        if dice.random() < 0.4:
            return ""
        if dice.random() < 0.15:
            return dice.choice(RAW_QUERIES)
        return _encoded(self._fields(dice, most=4))

    def _fields(self, dice: random.Random, *, most: int) -> list[tuple[str, str]]:
        names = dice.sample(field_names(), dice.randint(0, most))
        return [(name, self._value(dice, name)) for name in names]

    def _value(self, dice: random.Random, name: str) -> str:
        chance = dice.random()
        if self._known.get(name) and chance < (0.85 if self._is_near else 0.45):
            return dice.choice(self._known[name])
        return dice.choice(BOMBS if chance > 0.93 else self._texts)

    def _body(self, dice: random.Random) -> tuple[bytes, str]:
        if self._is_near:
            return self._whole_form(dice)
        make = dice.choices(
            (self._form, self._whole_form, _multipart, _many, _json, _rubbish, _huge),
            (40, 30, 12, 2, 6, 8, 2),
        )[0]
        return make(dice)

    def _form(self, dice: random.Random) -> tuple[bytes, str]:
        return _encoded(self._fields(dice, most=6)).encode(), FORM

    def _whole_form(self, dice: random.Random) -> tuple[bytes, str]:
        """Every field at once, so that some form is complete whichever view takes it."""
        fields = [(name, self._value(dice, name)) for name in field_names() if dice.random() < 0.9]
        return _encoded(fields).encode(), FORM


def _encoded(fields: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote_plus(n)}={quote_plus(v, errors='replace')}" for n, v in fields)


def _multipart(dice: random.Random) -> tuple[bytes, str]:
    name, value = dice.choice(field_names()), dice.choice((*TEXTS, *BOMBS))
    file = dice.choice(('"; filename="../../x.yaml', '"; filename="', "", '"; filename="a\x00b'))
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}{file}"\r\n\r\n{value}\r\n'
    end = dice.choice((f"--{BOUNDARY}--\r\n", "", f"--{BOUNDARY}"))
    content_type = dice.choice(
        (MULTIPART, MULTIPART, "multipart/form-data", "multipart/form-data; boundary=é")
    )
    return (part * dice.randint(1, 4) + end).encode(errors="replace"), content_type


def _many(dice: random.Random) -> tuple[bytes, str]:
    return b"&".join([b"namespace=x"] * dice.choice((4_000, 6_000))), FORM


def _json(dice: random.Random) -> tuple[bytes, str]:
    body = dice.choice(
        (b'{"a":1}', b"[" * 50_000, b"null", json.dumps(dict.fromkeys(NAMES)).encode())
    )
    return body, "application/json"


def _rubbish(dice: random.Random) -> tuple[bytes, str]:
    # Other charsets do not get as far as Django: see tests/integration/web/test_wsgi.py.
    charset = dice.choice(("utf-8", "UTF-8", "ascii"))
    kind = dice.choice(
        (FORM, "text/plain", "application/xml", "", "multipart/form-data; boundary=x")
    )
    return dice.randbytes(dice.randint(0, 3_000)), f"{kind}; charset={charset}"


def _huge(dice: random.Random) -> tuple[bytes, str]:
    return b"text=" + b"x" * dice.choice((1_100_000, 3_900_000, 4_300_000)), FORM


def _headers(dice: random.Random) -> dict[str, str]:
    found = {}
    if dice.random() < 0.35:
        found["HX-Request"] = dice.choice(("true", "true", "false", "x" * 900))
        found["HX-Target"] = dice.choice(("messages", "\ufffd", "x" * 900, "#a b"))
    if dice.random() < 0.15:
        found["HX-History-Restore-Request"] = dice.choice(("true", "1", ""))
    if dice.random() < 0.2:
        found["HX-Current-URL"] = dice.choice(
            ("http://[", "javascript:alert(1)", "%zz", "http://testserver/%00")
        )
        found["HX-Current-URL-URI-AutoEncoded"] = dice.choice(("true", "x"))
    if dice.random() < 0.1:
        found["HX-Triggering-Event"] = dice.choice(("{", "[" * 5_000, "null", "\xff"))
    if dice.random() < 0.1:
        found["Referer"] = dice.choice(
            ("http://testserver/%0d%0a", "http://[", "x" * 5_000, "https://evil.example/")
        )
    if dice.random() < 0.1:
        found["Origin"] = dice.choice(
            ("null", "https://evil.example", "http://[", "http://testserver")
        )
    if dice.random() < 0.05:
        found["Host"] = dice.choice(
            ("evil.example", "testserver:99999", "[", "a b", "testserver\x00")
        )
    if dice.random() < 0.1:
        found["X-Forwarded-For"] = dice.choice(("1.2.3.4, evil", "x" * 900, "::ffff:1.2.3.4%0a"))
        found["X-Forwarded-Proto"] = "https"
        found["X-HTTP-Method-Override"] = "DELETE"
    if dice.random() < 0.05:
        found["Accept-Language"] = found["Accept"] = "é," * 400
    return {
        name: value.encode("latin-1", "replace").decode("latin-1") for name, value in found.items()
    }
