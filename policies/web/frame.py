"""What stands on every page: sections, who am I, clusters to switch to, the chosen theme. A context processor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from policies.domain.authority import EVERYTHING, Act, Actor, denial
from policies.queries import exceptions
from policies.queries.flips import waiting_count
from policies.queries.reach import Reach
from policies.web.actors import actor_of, seen_by

THEMES = ("system", "light", "dark")
THEME_COOKIE = f"{settings.SECPROF_COOKIE_PREFIX}theme"


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the rail."""

    title: str
    url_name: str
    icon: str
    is_current: bool
    waiting_count: int = 0


_SECTIONS = (
    ("Home", "policies:home", "home", ("home",)),
    ("Readiness", "policies:readiness", "grid", ("readiness", "cell", "review", "validation")),
    ("Trends", "policies:trends", "trend", ("trend",)),
    ("Roll-outs", "policies:flips", "ladder", ("flip", "plan")),
    ("Denials", "policies:denials", "cross", ("denial",)),
    ("Exceptions", "policies:exceptions", "diamond", ("exception",)),
    ("Policies", "policies:variants", "page", ("variant", "polic")),
    ("Posture", "policies:posture", "layers", ("posture",)),
    ("Profiles", "policies:profiles", "lock", ("profile",)),
    ("Clusters", "policies:clusters", "cluster", ("cluster",)),
    ("Audit trail", "policies:trail", "trail", ("trail",)),
)
_GRANTS = ("Grants", "policies:grants", "key", ("grant",))
"""For those who may give them."""


def frame(request: HttpRequest) -> dict[str, Any]:
    """Give the frame's values; only the theme to somebody who is not signed in, and to fragments."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    values: dict[str, Any] = {"theme": theme if theme in THEMES[1:] else "", "themes": THEMES}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or getattr(request, "htmx", False):
        return values
    actor = actor_of(user)
    reach = seen_by(user)
    match = request.resolver_match
    name = match.url_name if match and match.url_name else ""
    return {
        **values,
        "actor": actor,
        "actor_roles": _roles(actor),
        "sections": _sections(actor, name, _waiting(reach, actor.user_id)),
        "all_clusters": tuple(reach.clusters().values_list("name", flat=True)),
    }


def _roles(actor: Actor) -> str:
    if not actor.grants:
        return "no role"
    on = "" if actor.has_role(actor.roles, EVERYTHING) else ", on a part"
    return ", ".join(sorted(actor.roles)) + on


def _waiting(reach: Reach, user_id: int | None) -> dict[str, int]:
    """Count what waits for a decision, by the icon of its section."""
    return {
        "ladder": waiting_count(reach=reach, by_user_id=user_id),
        "diamond": exceptions.waiting_count(reach=reach, by_user_id=user_id),
    }


def _sections(actor: Actor, url_name: str, waiting: Mapping[str, int]) -> tuple[Section, ...]:
    if not actor.grants:
        return ()
    shown = _SECTIONS if denial(actor, Act.GRANT_ROLES) else (*_SECTIONS, _GRANTS)
    return tuple(
        Section(title, to, icon, url_name.startswith(heads), waiting.get(icon, 0))
        for title, to, icon, heads in shown
    )
