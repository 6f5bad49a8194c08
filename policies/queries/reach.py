"""What an actor may see: everything, whole clusters, or namespaces. Every query for a page takes it.

Worked out from the grants in at most two queries, however many grants, clusters and namespaces there are. A cluster
comes into view when a grant names it, or when a grant reaches a namespace that it has.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from policies.domain.authority import ALLOWED, Act, Actor, Place, Scope
from policies.models import AuditEvent, Cluster, Flip, ObservedNamespace, Variant
from policies.queries.candidates import candidates
from policies.queries.within import AllAmong, Among

NOT_ONE = Q(pk__in=())


@dataclass(frozen=True, slots=True)
class Reach:
    """What somebody may see."""

    is_everything: bool = False
    whole: frozenset[int] = frozenset()
    """Ids of clusters that are seen as a whole."""
    parts: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """The namespaces that are seen, by the id of each cluster that is seen in part; there may be none."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Of every cluster in view, by its id; empty when that is everything."""

    def sees_all_of(self, cluster_id: int) -> bool:
        """Say whether a cluster is seen as a whole."""
        return self.is_everything or cluster_id in self.whole

    def sees(self, cluster_id: int, namespace: str) -> bool:
        """Say whether a namespace is seen."""
        return self.sees_all_of(cluster_id) or namespace in self.parts.get(cluster_id, ())

    def seen(self, cluster_id: int, namespaces: Iterable[str]) -> tuple[str, ...]:
        """Leave out the namespaces that are not seen."""
        return tuple(name for name in namespaces if self.sees(cluster_id, name))

    def sees_flip(self, flip: Flip) -> bool:
        """Say whether a flip (with its variant) is seen: all of its namespaces, or all of the cluster."""
        cluster_id = flip.variant.cluster_id
        if self.sees_all_of(cluster_id):
            return True
        names = flip.namespaces
        return bool(names) and all(self.sees(cluster_id, name) for name in names)

    # Conditions

    def on_clusters(self, cluster_id: str = "cluster_id") -> Q:
        """Let through what belongs to a cluster in view; `cluster_id` is the field that names it."""
        return Q() if self.is_everything else Q(**{f"{cluster_id}__in": sorted(self.names)})

    def in_namespaces(self, cluster_id: str = "cluster_id", namespace: str = "namespace") -> Q:
        """Let through what belongs to a namespace that is seen."""
        return self._parts(cluster_id, lambda names: Q(Among(F(namespace), names)))

    def within(self, cluster_id: str = "cluster_id", namespaces: str = "namespaces") -> Q:
        """Let through what lists namespaces, all of which are seen; an empty list stands for the whole cluster."""
        return self._parts(
            cluster_id, lambda names: Q(AllAmong(F(namespaces), names)) & ~Q(**{namespaces: []})
        )

    def _parts(self, cluster_id: str, condition: Callable[[frozenset[str]], Q]) -> Q:
        if self.is_everything:
            return Q()
        found = Q(**{f"{cluster_id}__in": sorted(self.whole)}) if self.whole else NOT_ONE
        alike: dict[frozenset[str], list[int]] = defaultdict(list)
        for pk, names in self.parts.items():
            if names:
                alike[names].append(pk)
        for names, ids in alike.items():
            found |= Q(**{f"{cluster_id}__in": sorted(ids)}) & condition(names)
        return found

    # What there is to see

    def clusters(self) -> QuerySet[Cluster]:
        """Give the clusters in view, by name, without their credentials."""
        found = Cluster.objects.filter(self.on_clusters("pk"))
        return found.defer("credential").order_by("name")

    def variants(self) -> QuerySet[Variant]:
        """Give the variants on clusters in view, each with its cluster."""
        return Variant.objects.filter(self.on_clusters()).select_related("cluster")

    def namespaces(self) -> QuerySet[ObservedNamespace]:
        """Give the namespaces that are seen, as they were read last."""
        return ObservedNamespace.objects.filter(self.in_namespaces("cluster_id", "name"))

    def flips(self) -> QuerySet[Flip]:
        """Give the flips whose namespaces are all seen; an install takes the whole cluster."""
        return Flip.objects.filter(self.within("variant__cluster_id"))

    def events(self) -> QuerySet[AuditEvent]:
        """Give the rows of the trail whose cluster, or namespaces, are seen; what has no cluster takes everything."""
        if self.is_everything:
            return AuditEvent.objects.all()
        found = Q(cluster__in=[self.names[pk] for pk in self.whole]) if self.whole else NOT_ONE
        for pk, names in self.parts.items():
            if names:
                # A step may be about a neighbour that its flip does not name.
                about = Coalesce(
                    KeyTextTransform("namespace", "details"), Value(""), output_field=TextField()
                )
                found |= (
                    Q(cluster=self.names[pk])
                    & ~Q(namespaces=[])
                    & Q(AllAmong(F("namespaces"), names))
                    & Q(Among(Cast(about, TextField()), names | {""}))
                )
        return AuditEvent.objects.filter(found)


EVERYTHING_SEEN = Reach(is_everything=True)
NOTHING_SEEN = Reach()


def reach_of(actor: Actor) -> Reach:
    """Work out what an actor sees now: any role includes seeing, as far as it reaches."""
    scopes = {grant.scope for grant in actor.grants if grant.role in ALLOWED[Act.VIEW]}
    if actor.is_system or any(not s.cluster and not s.is_of_namespaces for s in scopes):
        return EVERYTHING_SEEN
    if not scopes:
        return NOTHING_SEEN
    ids = dict(Cluster.objects.values_list("name", "pk"))
    whole = frozenset(ids[s.cluster] for s in scopes if s.cluster in ids and not s.is_of_namespaces)
    parts = _parts(scopes, ids, whole)
    in_view = whole | parts.keys()
    return Reach(
        whole=whole,
        parts=parts,
        names={pk: name for name, pk in ids.items() if pk in in_view},
    )


def _parts(
    scopes: Iterable[Scope], ids: Mapping[str, int], whole: frozenset[int]
) -> dict[int, frozenset[str]]:
    """Find the namespaces that each scope reaches on clusters that are not seen as a whole."""
    narrow = [s for s in scopes if s.is_of_namespaces]
    found: dict[int, set[str]] = defaultdict(set)
    for scope in narrow:
        pk = ids.get(scope.cluster)
        if pk is not None and pk not in whole:
            # The cluster is named, and so may be a namespace that no collection has seen.
            found[pk].update({scope.namespace} - {""})
    names = {pk: name for name, pk in ids.items()}
    for pk, namespace, labels in _candidates(narrow, ids, whole):
        place = Place(names[pk], namespace, labels)
        if any(scope.covers(place) for scope in narrow):
            found[pk].add(namespace)
    return {pk: frozenset(reached) for pk, reached in found.items()}


def _candidates(
    scopes: list[Scope], ids: Mapping[str, int], whole: frozenset[int]
) -> Iterable[tuple[int, str, Mapping[str, str]]]:
    asked = Q()
    for scope in scopes:
        condition = Q(cluster_id=ids.get(scope.cluster, 0)) if scope.cluster else Q(pk__gt=0)
        asked |= condition & candidates(scope)
    if not asked:
        return ()
    rows = ObservedNamespace.objects.filter(asked).exclude(cluster_id__in=whole)
    return rows.values_list("cluster_id", "name", "labels")
