"""One collection run under way: what it has read, how it reads one kind whole, and its hold on the cluster's rows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.utils import timezone

from policies.actions.reading import Problems, read_list
from policies.actions.storing import Fields
from policies.cluster.errors import (
    ClusterError,
    NotFound,
    TimedOut,
    TlsFailed,
    Unauthorized,
    Unreachable,
)
from policies.cluster.gateway import Gateway, Resource
from policies.domain.denials import Denial
from policies.models import Cluster, CollectionRun, KindSnapshot

T = TypeVar("T")

HEARTBEAT_EVERY = timedelta(seconds=10)
ENDS_THE_RUN = (Unreachable, TlsFailed, Unauthorized, TimedOut)
"""After one of these the next kind would fare no better."""


class RunLost(Exception):
    """This run was given up for lost meanwhile, and another one may be at it: nothing more is written."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What a catch-up came to."""

    counts: Mapping[str, int]
    """Objects that something happened to, by the name of their kind; kinds that were listed again too."""
    gone_tallies: frozenset[tuple[str, str, str]]
    """Those of results of which none is left, by source, policy and namespace."""
    is_everything: bool
    """False when the cluster had more to say than there was time for."""

    def touches(self, kinds: Collection[str]) -> bool:
        return any(kind in kinds for kind in self.counts)


@dataclass(slots=True)
class CollectionWork:
    """One run under way."""

    cluster: Cluster
    run: CollectionRun
    gateway: Gateway
    problems: Problems = field(default_factory=Problems)
    counts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, ClusterError] = field(default_factory=dict)
    """Why a kind was not read to its end, by its name."""
    versions: dict[str, str] = field(default_factory=dict)
    """The version of each list that was read to its end, by the kind's name; empty where the server gives none."""
    unserved_kinds: set[str] = field(default_factory=set)
    stored_kinds: list[str] = field(default_factory=list)
    caught_up: CaughtUp | None = None
    """What a catch-up came to; None for a full run."""
    refused: list[Denial] = field(default_factory=list)
    """Denials that conditions of the objects read so far quote."""
    broken_by: ClusterError | None = None
    """What cut the way to the cluster; the kinds after it were not asked for."""

    @property
    def scope(self) -> Fields:
        return {"cluster_id": self.cluster.pk}

    def beat(self) -> None:
        """Tell others that this run is alive. Raises RunLost when they have given it up."""
        now = timezone.now()
        if now - self.run.heartbeat_at > HEARTBEAT_EVERY:
            self.hold(now)

    def hold(self, now: datetime) -> None:
        """Renew the hold on this run, before rows are replaced. Raises RunLost."""
        self.run.heartbeat_at = now
        running = CollectionRun.objects.filter(pk=self.run.pk, state=CollectionRun.State.RUNNING)
        if not running.update(heartbeat_at=now):
            raise RunLost

    def read_kind(self, resource: Resource, decode: Callable[[bytes], T]) -> list[T] | None:
        """Read one kind whole; None when its last page was not reached, with the reason on its snapshot row."""
        name = resource.full_name
        try:
            if self.broken_by is not None:
                raise self.broken_by
            read = read_list(self.gateway, resource, decode, self.problems, on_page=self.beat)
        except NotFound:
            self.unserved_kinds.add(name)
            return []
        except ClusterError as error:
            if isinstance(error, ENDS_THE_RUN):
                self.broken_by = error
            self.failures[name] = error
            self.mark_failed(resource, error.message)
            return None
        self.counts[name] = len(read.items)
        self.versions[name] = read.resource_version
        return read.items

    def last_completed(self, resource: Resource) -> datetime | None:
        """Say when the read began that this kind's rows are of; None when there was none."""
        rows = KindSnapshot.objects.filter(cluster=self.cluster, kind=resource.full_name)
        return rows.values_list("completed_at", flat=True).first()

    def forget_versions(self) -> None:
        """Let no catch-up go on from here until every kind is stored: rows of two runs may stand side by side."""
        KindSnapshot.objects.filter(cluster=self.cluster).update(resource_version="")

    def mark(self, resource: Resource) -> None:
        """Note that this kind's rows are those of this run, which listed it."""
        name = resource.full_name
        KindSnapshot.objects.update_or_create(
            cluster=self.cluster,
            kind=name,
            defaults={
                "run": self.run,
                "completed_at": self.run.started_at,
                "listed_at": self.run.started_at,
                "version": resource.version,
                "object_count": self.counts.get(name, 0),
                "served": name not in self.unserved_kinds,
                "failed_at": None,
                "failure": "",
            },
        )
        self.stored_kinds.append(name)

    def release_versions(self) -> None:
        """Let the next catch-up go on from what this run has listed."""
        for name, version in self.versions.items():
            KindSnapshot.objects.filter(
                cluster=self.cluster, kind=name, run=self.run, failure=""
            ).update(resource_version=version)

    def mark_failed(self, resource: Resource, message: str) -> None:
        """Note why this kind was not read to its end; its rows stay those of before."""
        KindSnapshot.objects.update_or_create(
            cluster=self.cluster,
            kind=resource.full_name,
            defaults={"failed_at": timezone.now(), "failure": message},
        )
