"""Places as rights are judged at: a cluster as a whole, or namespaces with the labels that they had at the last read.

Loaded anew for every question: a namespace that has lost its label is out of reach of a grant by labels at once.
"""

from collections.abc import Iterable

from policies.domain.authority import Place
from policies.domain.lifecycle import FlipVerb
from policies.models import Cluster, Flip, ObservedNamespace


def place_of(cluster: Cluster) -> Place:
    """Give a cluster as a whole."""
    return Place(cluster.name)


def places_of(cluster: Cluster, namespaces: Iterable[str]) -> tuple[Place, ...]:
    """Give these namespaces of a cluster, sorted, in one query; the cluster as a whole when none is named.

    A namespace that no collection has seen has no labels: only a grant by its name or its cluster reaches it.
    """
    names = sorted(set(namespaces))
    if not names:
        return (place_of(cluster),)
    rows = ObservedNamespace.objects.filter(cluster=cluster, name__in=names)
    labels = dict(rows.values_list("name", "labels"))
    return tuple(Place(cluster.name, name, labels.get(name, {})) for name in names)


def flip_places(cluster: Cluster, verb: FlipVerb, namespaces: Iterable[str]) -> tuple[Place, ...]:
    """Say where a flip does something: an install or a removal on the cluster as a whole, anything else in its
    namespaces."""
    whole = verb in {FlipVerb.INSTALL, FlipVerb.REMOVE_EXCEPTION}
    return places_of(cluster, () if whole else namespaces)


def places_of_flip(flip: Flip) -> tuple[Place, ...]:
    """Say where this flip (with variant and cluster) does something."""
    return flip_places(flip.variant.cluster, FlipVerb(flip.verb), flip.namespaces)
