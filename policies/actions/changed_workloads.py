"""Workloads that changed: only their trees of owners are judged again, and only what differs in these is written.

A tree is a top-level workload and everything below it. Rows and tallies of other trees follow from nothing in it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from policies.actions.collected_profiles import reference_rows
from policies.actions.collected_workloads import MIRROR_COLUMNS
from policies.actions.collection_work import CollectionWork
from policies.actions.judging import Panel
from policies.actions.mirror import unpack
from policies.actions.snapshots import POSTURE_COLUMNS, Snapshot
from policies.actions.storing import (
    BATCH_SIZE,
    LOOKUP_SIZE,
    Fields,
    Key,
    batches,
    change_rows,
    replace_rows,
)
from policies.cluster.gateway import WORKLOADS
from policies.domain.objects import Workload, WorkloadKind
from policies.domain.ownership import Top
from policies.models import (
    ObservedWorkload,
    PostureTally,
    ReferencedProfile,
    SeenObject,
)
from policies.queries.evidence import HEARD

Changed = Mapping[str, tuple[WorkloadKind, Workload] | None]
"""By uid: the object as it is now, or None when it is gone."""
_ORDER = {WorkloadKind(resource.kind): place for place, resource in enumerate(WORKLOADS)}


@dataclass(frozen=True, slots=True)
class ChangedTrees:
    """The trees that some changes touch, as they were and as they are."""

    work: CollectionWork
    panel: Panel
    before: Snapshot
    after: Snapshot
    tops_before: Mapping[str, Top]
    tops: Mapping[str, Top]

    @property
    def moved(self) -> dict[str, Top | None]:
        """Name the objects whose top-level workload is another one now, and those that came or went (None)."""
        uids = self.tops_before.keys() | self.tops.keys()
        return {
            uid: self.tops.get(uid)
            for uid in uids
            if self.tops_before.get(uid) != self.tops.get(uid)
        }

    def store(self) -> int:
        """Write what differs, a transaction for a few hundred objects. Return the number of objects that changed."""
        count = 0
        for uids in self._batches():
            self.work.hold(timezone.now())
            with transaction.atomic():
                count += self._store(uids)
        return count

    def _batches(self) -> Iterable[frozenset[str]]:
        """Cut the objects into parts of whole trees: what one moved from and where it moved to stay together."""
        trees: dict[str, set[str]] = defaultdict(set)
        joined: dict[str, str] = {}

        def root(tree: str) -> str:
            while tree in joined:
                tree = joined[tree]
            return tree

        for uid in self.tops_before.keys() | self.tops.keys():
            places = {root(t[uid].uid) for t in (self.tops_before, self.tops) if uid in t}
            kept, *others = sorted(places)
            for other in others:
                joined[other] = kept
                trees[kept] |= trees.pop(other, set())
            trees[kept].add(uid)
        part: set[str] = set()
        for tree in trees.values():
            part |= tree
            if len(part) >= BATCH_SIZE // 2:
                yield frozenset(part)
                part = set()
        if part:
            yield frozenset(part)

    def _store(self, uids: frozenset[str]) -> int:
        before, after = self.before.part(uids), self.after.part(uids)
        rows = after.rows(self.tops)
        mirrored = after.mirror_rows(self.tops)
        references = reference_rows(after, self.tops)
        scope = self.work.scope
        changed: set[Key] = set()
        for some in batches(sorted(uids), LOOKUP_SIZE):
            replace_rows(
                ObservedWorkload,
                scope=scope,
                within={"uid__in": some},
                key=("uid",),
                compared=("content_hash",),
                rows=_of(some, rows),
            )
            changed |= replace_rows(
                SeenObject,
                scope=scope,
                within={"uid__in": some},
                key=("uid",),
                compared=MIRROR_COLUMNS,
                rows=_of(some, mirrored),
            )
            replace_rows(
                ReferencedProfile,
                scope=scope,
                within={"workload_uid__in": some},
                key=("workload_uid", "container", "mechanism"),
                compared=("content_hash",),
                rows=_of(some, references),
            )
        judges = self.panel.judges
        _add_tallies(
            scope,
            gained=after.posture_tallies(self.tops, judges),
            lost=before.posture_tallies(self.tops_before, judges),
        )
        return len(changed)


def changed_trees(work: CollectionWork, panel: Panel, changed: Changed) -> ChangedTrees:
    """Find the trees that these changes touch, and judge them as they were and as they are."""
    stored = {row.uid: row for row in _members(work, changed)}
    was = [(WorkloadKind(row.kind), _workload(row)) for row in stored.values()]
    before = _judged(panel, was, with_rows=False)
    now: dict[str, tuple[WorkloadKind, Workload]] = {
        uid: (WorkloadKind(row.kind), _workload(row))
        for uid, row in stored.items()
        if uid not in changed
    }
    now.update((uid, found) for uid, found in changed.items() if found is not None)
    after = _judged(panel, now.values(), with_rows=True)
    return ChangedTrees(work, panel, before, after, before.tops(), after.tops())


def _members(work: CollectionWork, changed: Changed) -> list[SeenObject]:
    """Load every object of the trees that hold one of these, or that one of them may now belong to or take in."""
    seen = SeenObject.objects.filter(cluster=work.cluster)
    near = set(changed)
    for found in changed.values():
        controller = found[1].metadata.controller if found else None
        if controller is not None:
            near.add(controller.uid)
    roots: set[str] = set()
    for some in batches(sorted(near), LOOKUP_SIZE):
        roots.update(seen.filter(uid__in=some).values_list("top_uid", flat=True))
        roots.update(seen.filter(controller_uid__in=some).values_list("top_uid", flat=True))
    return [
        row for some in batches(sorted(roots), LOOKUP_SIZE) for row in seen.filter(top_uid__in=some)
    ]


def _workload(row: SeenObject) -> Workload:
    kind = WorkloadKind(row.kind)
    return unpack(kind, bytes(row.body), uid=row.uid, namespace=row.namespace, name=row.name)


def _judged(
    panel: Panel, objects: Iterable[tuple[WorkloadKind, Workload]], *, with_rows: bool
) -> Snapshot:
    judges = panel.afresh()
    owners_first = sorted(objects, key=lambda found: _ORDER[found[0]])
    return Snapshot(seen=[judges.see(kind, w, with_row=with_rows) for kind, w in owners_first])


def _add_tallies(
    scope: Fields, *, gained: Mapping[Key, Fields], lost: Mapping[Key, Fields]
) -> None:
    """Add what some trees count now to the stored tallies, and take away what they counted before."""
    deltas = {
        key: [gained.get(key, {}).get(c, 0) - lost.get(key, {}).get(c, 0) for c in POSTURE_COLUMNS]
        for key in gained.keys() | lost.keys()
        if key[0] != HEARD and gained.get(key) != lost.get(key)
    }
    rows = PostureTally.objects.filter(
        **scope, namespace__in={namespace for namespace, _ in deltas}
    )
    stored = {(row.namespace, row.judge): row for row in rows}
    gone: dict[int, Key] = {}
    changed: list[Fields] = []
    new: list[Fields] = []
    for key, delta in deltas.items():
        row = stored.get(key)
        numbers = {
            column: (getattr(row, column) if row else 0) + number
            for column, number in zip(POSTURE_COLUMNS, delta, strict=True)
        }
        if row is None:
            namespace, judge = key
            new.append({**scope, "namespace": namespace, "judge": judge, **numbers})
        elif any(numbers.values()):
            changed.append({"id": row.pk, **numbers})
        else:
            gone[row.pk] = key
    change_rows(PostureTally, gone=gone, changed=changed, new=new)


def _of(uids: Collection[str], rows: Mapping[Key, Fields]) -> dict[Key, Fields]:
    wanted = frozenset(uids)
    return {key: fields for key, fields in rows.items() if key[0] in wanted}
