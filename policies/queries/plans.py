"""A plan as somebody may see it: whole, or without what tells of namespaces out of their reach.

The digest stays that of the whole plan: it is what people approve.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from policies.domain.plans import Plan
from policies.queries.reach import Reach

HIDDEN = "another namespace"


@dataclass(frozen=True, slots=True)
class SeenPlan:
    """A plan with the digest of the whole of it."""

    plan: Plan
    digest: str
    is_whole: bool
    """False when objects and lists of other namespaces were left out."""
    hidden: tuple[str, ...]
    """Namespaces that texts about this plan must not name."""

    def text(self, said: str) -> str:
        """Leave out the names that are hidden."""
        return without(self.hidden, said)


def seen_plan(plan: Plan, *, cluster_id: int, reach: Reach) -> SeenPlan:
    """Leave out of a plan what is out of reach."""
    if reach.sees_all_of(cluster_id):
        return SeenPlan(plan, plan.digest, True, ())
    named = {
        plan.audit_namespace,
        *plan.proof_namespaces,
        *plan.enforced_before,
        *plan.enforced_after,
    }
    hidden = tuple(sorted(n for n in named if n and not reach.sees(cluster_id, n)))
    narrowed = replace(
        plan,
        enforced_before=reach.seen(cluster_id, plan.enforced_before),
        enforced_after=reach.seen(cluster_id, plan.enforced_after),
        audit_namespace="" if plan.audit_namespace in hidden else plan.audit_namespace,
        proof_namespaces=reach.seen(cluster_id, plan.proof_namespaces),
        objects=tuple(replace(o, before=None, after=None, wanted=None) for o in plan.objects),
        gates=tuple(
            replace(gate, sentence=without(hidden, gate.sentence))
            for gate in plan.gates
            if reach.sees(cluster_id, gate.namespace)
        ),
        verdicts=tuple(pair for pair in plan.verdicts if reach.sees(cluster_id, pair[0])),
    )
    return SeenPlan(narrowed, plan.digest, False, hidden)


def without(names: Iterable[str], text: str) -> str:
    """Put other words in the place of names of namespaces."""
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", HIDDEN, text)
    return text
