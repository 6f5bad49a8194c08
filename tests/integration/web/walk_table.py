"""The one table of who gets which answer at which address. A new address needs a row here, or the walk fails.

A row is a list of visits. A visit says what the four scopes get (on everything, on the cluster atlas, on its namespace
shopfront, on namespaces with team=webteam) with one of `roles`; any other role gets 403 where that is not 404.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from policies.domain.authority import Role
from tests.integration.web.walk_company import SCOPES, Company

Args = Callable[[Company], tuple[Any, ...]]
Data = Callable[[Company], Mapping[str, Any]]
EVERYBODY = frozenset(role.value for role in Role)
ASKERS = frozenset({"owner", "operator", "admin"})
NOBODY: frozenset[str] = frozenset()
OPERATORS = frozenset({"operator", "admin"})
APPROVERS = frozenset({"approver", "admin"})
DOERS = frozenset({"operator", "approver", "admin"})
ADMINS = frozenset({"admin"})
AUDITORS = frozenset({"auditor", "admin"})


@dataclass(frozen=True)
class Visit:
    """One request, and what each gets."""

    answers: tuple[int, int, int, int]
    """By scope, in the order of `SCOPES`."""
    method: str = "GET"
    args: Args = lambda _: ()
    data: Data = field(default=lambda _: {})
    roles: frozenset[str] = EVERYBODY
    none: int = 403
    anonymous: int = 302

    def expected(self, role: str, scope: str) -> int:
        if scope in ("none", "anonymous"):
            return self.none if scope == "none" else self.anonymous
        answer = self.answers[SCOPES.index(scope)]
        return answer if role in self.roles or answer == 404 else 403


def get(answers: tuple[int, int, int, int], args: Args = lambda _: (), **more: Any) -> Visit:
    return Visit(answers, "GET", args, **more)


def post(answers: tuple[int, int, int, int], args: Args = lambda _: (), **more: Any) -> Visit:
    return Visit(answers, "POST", args, **more)


OPEN = (200, 200, 200, 200)
"""Seen by whoever has a role; each sees their part."""
ON_ATLAS = OPEN
"""The cluster is in everybody's view."""
ON_BOREALIS = (200, 404, 404, 200)
IN_SHOPFRONT = OPEN
IN_PAYDESK = (200, 200, 404, 404)
IN_HIDDENVALE = (200, 404, 404, 404)
WHOLE_ATLAS = (200, 200, 403, 403)
"""In view, but what it shows takes all of the cluster."""


def atlas(c: Company) -> tuple[Any, ...]:
    return (c.atlas.pk,)


def borealis(c: Company) -> tuple[Any, ...]:
    return (c.borealis.pk,)


def variant(c: Company) -> tuple[Any, ...]:
    return (c.variant.pk,)


def far_variant(c: Company) -> tuple[Any, ...]:
    return (c.far_variant.pk,)


def in_shopfront(c: Company) -> tuple[Any, ...]:
    return (c.variant.pk, "shopfront")


def in_paydesk(c: Company) -> tuple[Any, ...]:
    return (c.variant.pk, "paydesk")


def in_hiddenvale(c: Company) -> tuple[Any, ...]:
    return (c.far_variant.pk, "hiddenvale")


def in_nowhere(c: Company) -> tuple[Any, ...]:
    return (c.variant.pk, "no-such-namespace")


def seen_in_each(visit: Callable[..., Visit], **more: Any) -> list[Visit]:
    """Visit a page about a variant in a namespace: within everybody's reach, beside it, elsewhere, and nowhere."""
    return [
        visit(IN_SHOPFRONT, in_shopfront, **more),
        visit(IN_PAYDESK, in_paydesk, **more),
        visit(IN_HIDDENVALE, in_hiddenvale, **more),
        visit((404, 404, 404, 404), in_nowhere, **more),
    ]


def done_in_each(status: int, roles: frozenset[str]) -> list[Visit]:
    """Do something to a variant in a namespace."""
    return [
        post((status, status, status, status), in_shopfront, roles=roles),
        post((status, status, 404, 404), in_paydesk, roles=roles),
        post((status, 404, 404, 404), in_hiddenvale, roles=roles),
    ]


def done_on_clusters(
    status: int, roles: frozenset[str], near: Args = atlas, far: Args = borealis, **more: Any
) -> list[Visit]:
    """Do something to a cluster as a whole: who sees a part of it sees it, and may not."""
    return [
        post((status, status, 403, 403), near, roles=roles, **more),
        post((status, 404, 404, 403), far, roles=roles, **more),
        post((404, 404, 404, 404), lambda _: (987654,), roles=roles, **more),
    ]


def flip_visits(visit: Callable[..., Visit], status: int = 200, **more: Any) -> list[Visit]:
    """Visit a flip of shopfront (and one that failed), of paydesk, of both, and of hiddenvale."""
    return [
        visit((status, status, status, status), lambda c: (c.shop_flip,), **more),
        *((visit(OPEN, lambda c: (c.failed_flip,)),) if visit is get else ()),
        visit((status, status, 404, 404), lambda c: (c.pay_flip,), **more),
        visit((status, status, 404, 404), lambda c: (c.both_flip,), **more),
        visit((status, 404, 404, 404), lambda c: (c.far_flip,), **more),
    ]


def exception_visits(visit: Callable[..., Visit], status: int, **more: Any) -> list[Visit]:
    """Visit the request of shopfront, of paydesk, and of hiddenvale."""
    return [
        visit((status, status, status, status), lambda c: (c.shop_exception,), **more),
        visit((status, status, 404, 404), lambda c: (c.pay_exception,), **more),
        visit((status, 404, 404, 404), lambda c: (c.far_exception,), **more),
    ]


def decision(_: Company) -> Mapping[str, Any]:
    """A decision about a revision that there is not: refused once it is known who decides."""
    return {"revision": 99, "workloads": ["Deployment/ftp"], "comment": "agreed"}


def wish(namespace: str) -> Mapping[str, Any]:
    return {
        "namespace": namespace,
        "intent": "request",
        "controls": ["require-seccomp", "deny-unconfined-seccomp"],
        "workloads": [f"Deployment/wl-{namespace}"],
        "reason": "the vendor is late",
        "ends_at": (timezone.now() + timedelta(days=5)).date().isoformat(),
        "revision": 1,
    }


def planned(c: Company, *names: str, verb: str = "enforce", **more: str) -> Mapping[str, Any]:
    return {"variant": c.variant.pk, "verb": verb, "namespace": list(names), **more}


def digest(_: Company) -> Mapping[str, Any]:
    """A digest that is no flip's: refused before the cluster is asked."""
    return {"plan_digest": "not-the-digest"}


def profile(c: Company) -> tuple[Any, ...]:
    return (c.profile.pk,)


def pool(c: Company) -> tuple[Any, ...]:
    return (c.pool.pk,)


def far_pool(c: Company) -> tuple[Any, ...]:
    return (c.far_pool.pk,)


def declared(c: Company) -> tuple[Any, ...]:
    return (c.declared.pk,)


def of_pool(cluster: str) -> Mapping[str, Any]:
    return {
        "cluster": cluster,
        "mechanism": "seccomp",
        "profile": "profiles/web.json",
        "pool": "every",
    }


def pool_form(_: Company) -> Mapping[str, Any]:
    return {"name": "gpu", "selector": "pool=gpu", "apparmor": "yes"}
