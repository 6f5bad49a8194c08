"""Whose an object is, from the copy that catch-ups go on from: for whoever has not just read the cluster whole."""

from collections.abc import Iterator, Mapping

from policies.domain.ownership import Top
from policies.models import SeenObject


class StoredTops(Mapping[str, Top]):
    """The top-level workload of each object of one cluster, by uid, looked up one by one."""

    def __init__(self, cluster_id: int) -> None:
        self._seen = SeenObject.objects.filter(cluster_id=cluster_id)
        self._found: dict[str, Top | None] = {}

    def __getitem__(self, uid: str) -> Top:
        if uid not in self._found:
            self._found[uid] = self._look_up(uid)
        top = self._found[uid]
        if top is None:
            raise KeyError(uid)
        return top

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen.values_list("uid", flat=True))

    def __len__(self) -> int:
        return self._seen.count()

    def _look_up(self, uid: str) -> Top | None:
        owned = self._seen.filter(uid=uid).values("top_uid")
        row = self._seen.filter(uid__in=owned).only("uid", "kind", "name").first()
        return Top(row.uid, row.kind, row.name) if row else None
