"""Hostile requests in numbers: no 500, nothing that hangs, and nothing changed by anybody who may not.

A few hundred each time; `make hostile` sends 10,000. A number in a failure names the request: the seed makes it again.
"""

import hashlib
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.db import DatabaseError, connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from policies.actions import profiles
from policies.actions.connections import sandbox_path
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    EXCEPTION_KINDS,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    VALIDATING_POLICIES,
)
from policies.domain.authority import Role
from policies.domain.controls import Mechanism
from policies.domain.library import Target
from policies.domain.lifecycle import FlipVerb
from policies.models import AuditEvent, Cluster, DeclaredPool, DeclaredProfile, TrailHead
from sandbox.gateway import SandboxGateway
from tests import factories
from tests.integration.web.conftest import SandboxWorld
from tests.integration.web.hostile import Attack, Attacker, routes

COUNT = int(os.environ.get("SECPROF_HOSTILE_REQUESTS", "400"))
SEED = int(os.environ.get("SECPROF_HOSTILE_SEED", "5"))
PATIENCE_SECONDS = 10.0
TOKEN = "t" * 32
KINDS = (
    CLUSTER_POLICIES,
    VALIDATING_POLICIES,
    NATIVE_POLICIES,
    NATIVE_BINDINGS,
    *EXCEPTION_KINDS,
)
READS = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SET ", "PRAGMA", "EXPLAIN")
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
MAY_WRITE = frozenset({"operator", "approver", "admin", "owner"})
"""Whoever may change something somewhere, given the token of the form."""
OUTSIDERS = ("anonymous", "outsider", "elsewhere")
NOT_COUNTED = frozenset({"sessions", "usersessions"})
"""Apps whose rows a mere visit may change."""


ABOUT_ONESELF = ("sign_in.", "trail.")
"""Verbs of rows that everybody, or an auditor, may cause: who came, who left, and who took the trail along."""


def _that_count(model: type[models.Model]) -> models.QuerySet:
    rows = model._default_manager.all()
    if model is TrailHead:
        return rows.none()  # it moves with each row
    if model is AuditEvent:
        for verb in ABOUT_ONESELF:
            rows = rows.exclude(verb__startswith=verb)
    return rows


class Company:
    """A small company, a browser for each of its people, and a fingerprint of all that it has."""

    def __init__(self, world: SandboxWorld) -> None:
        self.gateway = SandboxGateway(sandbox_path(world.cluster.name))
        self.known = _furnished(world)
        elsewhere = Cluster.objects.create(
            name="elsewhere", gateway="sandbox", created_at=world.now()
        )
        User.objects.create_user("outsider")
        factories.grant(User.objects.create_user("elsewhere"), "operator", on=elsewhere)
        for role in Role:
            factories.grant(User.objects.get(username=role.value), role.value)
        self.roles = (*OUTSIDERS, *(role.value for role in Role))
        self.errors: list[str] = []

    def browser(self, role: str, *, has_token: bool) -> Client:
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if role != "anonymous":
            client.force_login(User.objects.get(username=role))
        client.cookies["csrftoken"] = TOKEN if has_token else "s" * 32
        return client

    def fingerprint(self) -> str:
        """Hash every row of every table, and every policy on the cluster."""
        found = hashlib.blake2b()
        for model in apps.get_models():
            if model._meta.app_label not in NOT_COUNTED:
                names = [f.attname for f in model._meta.fields if f.name != "last_login"]
                rows = _that_count(model).order_by("pk").values_list(*names)
                found.update(repr((model._meta.label, tuple(rows))).encode())
        found.update(self.policies().encode())
        return found.hexdigest()

    def policies(self) -> str:
        pages = (page for kind in KINDS for page in self.gateway.pages(kind))
        return repr([page.items for page in pages])


def _furnished(world: SandboxWorld) -> dict[str, tuple[str, ...]]:
    """Give the company something of everything, and name the ids."""
    variant = world.variant(Target.CLUSTER_POLICY.value)
    world.flip(variant, FlipVerb.INSTALL)
    world.collect()
    flip = world.request(variant, FlipVerb.ENFORCE, "team-a", override="to be attacked")
    now = world.now()
    by = User.objects.get(username="admin")
    profile = profiles.create_profile(
        name="web",
        mechanism=Mechanism.SECCOMP,
        draft=profiles.Draft('{"defaultAction": "SCMP_ACT_ERRNO"}', profiles.Origin.TYPED, ""),
        by=world.people.admin,
        now=now,
    )
    pool = DeclaredPool.objects.create(
        cluster=world.cluster, name="pool", declared_by=by, declared_at=now
    )
    declared = DeclaredProfile.objects.create(
        pool=pool, mechanism="seccomp", value="a.json", declared_by=by, declared_at=now
    )
    one = {
        "cluster_id": world.cluster.pk,
        "variant_id": variant.pk,
        "variant": variant.pk,
        "flip_id": flip.pk,
        "plan_digest": flip.plan_digest,
        "profile_id": profile.pk,
        "pool_id": pool.pk,
        "cluster": "prod",
        "kind": "ClusterPolicy",
        "verb": "enforce",
        "name": variant.name,
        "template": "seccomp",
        "target": "ClusterPolicy",
        "mechanism": "seccomp",
        "reason": "to be attacked",
        "comment": "to be attacked",
    }
    known = {name: (str(value),) for name, value in one.items()}
    known["profile_id"] += (str(declared.pk),)
    return known | {"namespace": ("team-a", "team-b"), "controls": ("require-seccomp",)}


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, attack: Attack, send: Callable[[], HttpResponse], errors: list[str]) -> None:
        began, known = time.monotonic(), len(errors)
        response = send()
        seconds = time.monotonic() - began
        self.statuses[response.status_code] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if response.status_code == 500 or len(errors) > known:
            self.wrong.append(f"{response.status_code} {errors[known:]} {attack}")
        if seconds > PATIENCE_SECONDS:
            self.wrong.append(f"{seconds:.1f} s {attack}")

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return (
            f"{self.statuses.total()} hostile requests ({statuses}),"
            f" slowest {self.slowest_seconds:.2f} s, {len(self.wrong)} wrong"
        )


@dataclass
class Spy:
    """Watches what is said to the database."""

    has_written: bool = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.has_written |= not sql.lstrip("( ").upper().startswith(READS)
        return execute(sql, params, many, context)


@pytest.fixture
def company(world: SandboxWorld, settings: Settings) -> Iterator[Company]:
    settings.DEBUG = False
    made = Company(world)

    def note(**_: Any) -> None:
        error = sys.exception()
        where = traceback.extract_tb(error.__traceback__)[-3:] if error else ()
        made.errors.append(f"{error!r:.300} at {[f'{f.filename}:{f.lineno}' for f in where]}")

    got_request_exception.connect(note)
    # pytest keeps every record, and each record its request with all of its body.
    logging.disable(logging.CRITICAL)
    yield made
    logging.disable(logging.NOTSET)
    got_request_exception.disconnect(note)


def send(browser: Client, attack: Attack) -> HttpResponse:
    token = {"X-CSRFToken": TOKEN}
    target = f"{attack.path}?{attack.query}" if attack.query else attack.path
    return browser.generic(
        attack.method, target, attack.body, attack.content_type, headers={**token, **attack.headers}
    )


def may_change(attack: Attack) -> bool:
    return attack.method not in SAFE and attack.has_token and attack.role in MAY_WRITE


def test_routes_are_all_met() -> None:
    assert len(routes()) > 50
    assert len(routes()) <= COUNT


def test_hostile_requests_break_nothing_and_change_nothing(company: Company) -> None:
    attacker = Attacker(company.known, company.roles, SEED)
    policies, before = company.policies(), company.fingerprint()
    tally = Tally()
    for number in range(COUNT):
        attack = attacker.attack(number)
        browser = company.browser(attack.role, has_token=attack.has_token)
        spy = Spy()
        try:
            with transaction.atomic(), connection.execute_wrapper(spy):
                for _ in range(1 + attack.is_replayed):
                    tally.count(attack, partial(send, browser, attack), company.errors)
        except DatabaseError as error:
            tally.wrong.append(f"{error} {attack}")
        # Rows that no statement wrote are as they were; every hundredth time that is not believed.
        after = company.fingerprint() if spy.has_written or number % 100 == 0 else before
        if after != before and not may_change(attack):
            tally.wrong.append(f"changed something: {attack}")
        before = after
    if company.policies() != policies:
        tally.wrong.append("A request wrote to the cluster.")

    print(tally)  # noqa: T201 - `make hostile` shows it
    assert not tally.wrong, "\n".join(tally.wrong[:20])
