"""The first page: how much is enforced, who waits for whom, what is moving, what is wrong."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from policies.domain.lifecycle import ACTIVE_ROLLOUT_STATUSES, FlipStatus
from policies.models import Cluster, Stage
from policies.queries.drift import drifted_variants
from policies.queries.flips import FlipRow, closing_message, flip_rows, related
from policies.queries.freshness import StripState, data_strips
from policies.queries.reach import Reach
from policies.queries.trail import recent_decisions
from policies.queries.trail_events import Event

RECENT_EVENTS = 8
SHARES_SHOWN = 12
FLIPS_SHOWN = 8
WRONG_SHOWN = 20
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
    """Of the variants with the most namespaces left to enforce, by cluster and name."""
    share_count: int
    """Of all variants."""
    waiting: tuple[FlipRow, ...]
    """The first flips that somebody has to decide on, the longest waiting first."""
    waiting_count: int
    mine: tuple[FlipRow, ...]
    """Flips of this user that ended without proof and could be planned again."""
    moving: tuple[FlipRow, ...]
    moving_count: int
    wrong: tuple[Wrong, ...]
    wrong_count: int
    recent: tuple[Event, ...]
    cluster_count: int


def home_page(*, reach: Reach, user_id: int | None, now: datetime) -> HomePage:
    """Load the first page in a fixed number of queries; each number counts what is seen."""
    clusters = list(reach.clusters())
    shares = _shares(reach)
    flips = related(reach.flips())
    since = now - FAILURES_SHOWN_FOR
    mine = flips.filter(
        requested_by_id=user_id,
        status__in=[FlipStatus.STALE, FlipStatus.DECLINED, FlipStatus.LAPSED],
        closed_at__gte=since,
    )
    waiting = flips.filter(status=FlipStatus.REQUESTED)
    moving = flips.filter(
        Q(rollout__status__in=ACTIVE_ROLLOUT_STATUSES) | Q(status=FlipStatus.APPROVED)
    )
    strips = data_strips(clusters, now=now)
    wrong = (
        *(w for c in clusters for w in _wrong_with_cluster(c, strips[c.pk].state, now=now)),
        *_drifted(reach),
        *_failed(since, reach),
    )
    return HomePage(
        total=Share(
            0,
            "",
            "",
            sum(s.enforced_count for s in shares),
            sum(s.namespace_count for s in shares),
        ),
        shares=_furthest_from_done(shares),
        share_count=len(shares),
        waiting=flip_rows(waiting.order_by("requested_at")[:FLIPS_SHOWN]),
        waiting_count=waiting.count(),
        mine=flip_rows(mine.order_by("-closed_at")[:5]),
        moving=flip_rows(moving.order_by("requested_at")[:FLIPS_SHOWN]),
        moving_count=moving.count(),
        wrong=wrong[:WRONG_SHOWN],
        wrong_count=len(wrong),
        recent=recent_decisions(RECENT_EVENTS, reach=reach),
        cluster_count=len(clusters),
    )


def _furthest_from_done(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Choose the variants with the most namespaces left; they stay in their order."""
    chosen = sorted(shares, key=lambda s: s.enforced_count - s.namespace_count)[:SHARES_SHOWN]
    ids = {share.variant_id for share in chosen}
    return tuple(share for share in shares if share.variant_id in ids)


def _shares(reach: Reach) -> tuple[Share, ...]:
    """Say of every variant in view how far it has come, by cluster and name."""
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
    variants = reach.variants().order_by("cluster__name", "name")
    return tuple(
        Share(pk, name, cluster, enforced[pk], spaces[cluster_id])
        for pk, name, cluster, cluster_id in variants.values_list(
            "pk", "name", "cluster__name", "cluster_id"
        )
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


def _drifted(reach: Reach) -> tuple[Wrong, ...]:
    return tuple(
        Wrong(
            "drift",
            f"{each.variant} on {each.cluster}",
            "The policy on the cluster is not the one that secprof wrote.",
            each.changed_at,
            str(each.variant_id),
        )
        for each in drifted_variants(reach=reach)
    )


def _failed(since: datetime, reach: Reach) -> tuple[Wrong, ...]:
    flips = related(reach.flips().filter(status=FlipStatus.FAILED, closed_at__gte=since))
    return tuple(
        Wrong("flip", row.title, closing_message(flip, reach=reach), flip.closed_at, str(flip.pk))
        for flip in flips.order_by("-closed_at")[:5]
        for row in flip_rows([flip])
    )
