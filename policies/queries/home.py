"""The first page: how much is enforced, who waits for whom, what is moving, what is wrong."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from policies.domain.lifecycle import ACTIVE_ROLLOUT_STATUSES, FlipStatus
from policies.models import Cluster, Stage, Variant
from policies.queries.evidence import load_evidence
from policies.queries.flips import FlipRow, closing_message, flip_rows, related
from policies.queries.freshness import StripState, data_strips
from policies.queries.reach import Reach
from policies.queries.trail import Event, recent_decisions

RECENT_EVENTS = 8
FAILURES_SHOWN_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one variant is proven to be enforced."""

    variant_id: int
    variant: str
    cluster: str
    enforced_count: int
    namespace_count: int

    @property
    def percent(self) -> int:
        """Rounded down: 100 % is only said when nothing is missing."""
        return 100 * self.enforced_count // self.namespace_count if self.namespace_count else 0


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is broken, and where to look."""

    kind: str
    """`contact`, `engine`, `data`, `flip` or `drift`."""
    subject: str
    sentence: str
    at: datetime | None
    target_id: str
    """Id of the cluster, flip or variant that it is about."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything on the first page."""

    total: Share
    shares: tuple[Share, ...]
    waiting: tuple[FlipRow, ...]
    """Flips that somebody has to decide on, the longest waiting first."""
    mine: tuple[FlipRow, ...]
    """Flips of this user that ended without proof and could be planned again."""
    moving: tuple[FlipRow, ...]
    wrong: tuple[Wrong, ...]
    recent: tuple[Event, ...]
    cluster_count: int
    newest_at: datetime | None
    oldest_at: datetime | None


def home_page(*, reach: Reach, user_id: int | None, now: datetime) -> HomePage:
    """Load the first page in a fixed number of queries; each number counts what is seen."""
    clusters = list(reach.clusters())
    variants = list(reach.variants().order_by("cluster__name", "name"))
    shares = _shares(variants, reach)
    flips = related(reach.flips())
    since = now - FAILURES_SHOWN_FOR
    mine = flips.filter(
        requested_by_id=user_id,
        status__in=[FlipStatus.STALE, FlipStatus.DECLINED, FlipStatus.LAPSED],
        closed_at__gte=since,
    )
    strips = data_strips(clusters, now=now)
    times = [s.collected_at for s in strips.values() if s.collected_at]
    return HomePage(
        total=Share(
            0,
            "",
            "",
            sum(s.enforced_count for s in shares),
            sum(s.namespace_count for s in shares),
        ),
        shares=shares,
        waiting=flip_rows(flips.filter(status=FlipStatus.REQUESTED).order_by("requested_at")),
        mine=flip_rows(mine.order_by("-closed_at")[:5]),
        moving=flip_rows(
            flips.filter(
                Q(rollout__status__in=ACTIVE_ROLLOUT_STATUSES) | Q(status=FlipStatus.APPROVED)
            ).order_by("requested_at")
        ),
        wrong=(
            *(w for c in clusters for w in _wrong_with_cluster(c, strips[c.pk].state, now=now)),
            *_drifted(variants),
            *_failed(since, reach),
        ),
        recent=recent_decisions(RECENT_EVENTS, reach=reach),
        cluster_count=len(clusters),
        newest_at=max(times, default=None),
        oldest_at=min(times, default=None),
    )


def _shares(variants: list[Variant], reach: Reach) -> tuple[Share, ...]:
    judged = reach.namespaces().filter(is_system=False)
    spaces = Counter(dict(judged.values_list("cluster_id").annotate(n=Count("pk"))))
    enforced = Counter(
        dict(
            Stage.objects.filter(
                reach.in_namespaces("variant__cluster_id"), value=Stage.Value.ENFORCE
            )
            .values_list("variant_id")
            .annotate(n=Count("pk"))
        )
    )
    return tuple(
        Share(v.pk, v.name, v.cluster.name, enforced[v.pk], spaces[v.cluster_id]) for v in variants
    )


def _wrong_with_cluster(cluster: Cluster, state: StripState, *, now: datetime) -> tuple[Wrong, ...]:
    found = []
    where = str(cluster.pk)
    if state is StripState.BROKEN:
        found.append(
            Wrong("contact", cluster.name, cluster.contact_message, cluster.contacted_at, where)
        )
    if cluster.engine_state == Cluster.EngineState.DOWN:
        found.append(
            Wrong("engine", cluster.name, cluster.engine_message, cluster.engine_checked_at, where)
        )
    if state in {StripState.PARTIAL, StripState.OLD}:
        found.append(Wrong("data", cluster.name, _DATA_SENTENCES[state], None, where))
    return tuple(found)


_DATA_SENTENCES = {
    StripState.PARTIAL: "The last collection did not read every kind to its end.",
    StripState.OLD: "The last complete collection is too old; verdicts are unknown.",
}


def _drifted(variants: list[Variant]) -> tuple[Wrong, ...]:
    if not variants:
        return ()
    policies = load_evidence(variants=variants, namespaces=()).policies
    return tuple(
        Wrong(
            "drift",
            f"{v.name} on {v.cluster.name}",
            "The policy on the cluster is not the one that secprof wrote.",
            policies[v.pk].changed_at,
            str(v.pk),
        )
        for v in variants
        if policies[v.pk].drifted
    )


def _failed(since: datetime, reach: Reach) -> tuple[Wrong, ...]:
    flips = related(reach.flips().filter(status=FlipStatus.FAILED, closed_at__gte=since))
    return tuple(
        Wrong("flip", row.title, closing_message(flip, reach=reach), flip.closed_at, str(flip.pk))
        for flip in flips.order_by("-closed_at")[:5]
        for row in flip_rows([flip])
    )
