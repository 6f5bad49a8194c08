"""What an exception would cover, in words: counts of what lives now, warnings, and the objects that would be written."""

from dataclasses import dataclass

from policies.domain.plans import manifest_text, object_diff
from policies.queries.exception_covers import Cover, CoverObject
from policies.queries.exception_support import Heeded
from policies.web.presenters.diffs import Block, diff_blocks
from policies.web.words import count_of, listed


@dataclass(frozen=True, slots=True)
class ShownCoverObject:
    """One object that would be written."""

    verb: str
    verb_word: str
    kind: str
    name: str
    text: str
    """The whole of a new one; empty where a difference says more."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Support:
    """What is known of whether the cluster would heed it, when that is not simply yes."""

    word: str
    sentence: str
    tone: str
    shape: str


@dataclass(frozen=True, slots=True)
class ShownCover:
    """What an exception would come to."""

    title: str
    sentence: str
    warnings: tuple[str, ...]
    support: Support | None
    trouble: str
    objects: tuple[ShownCoverObject, ...]


NOTHING_NAMED = ShownCover(
    title="What it would cover",
    sentence="Tick a workload to see what an exception for it would cover.",
    warnings=(),
    support=None,
    trouble="",
    objects=(),
)


def shown_cover(cover: Cover, title: str = "What it would cover") -> ShownCover:
    """Word what an exception would come to."""
    return ShownCover(
        title=title,
        sentence=_sentence(cover),
        warnings=tuple(_warnings(cover)),
        support=_support(cover.heeded),
        trouble=cover.trouble,
        objects=tuple(_object(each) for each in cover.objects),
    )


def _sentence(cover: Cover) -> str:
    if not cover.workload_count:
        return "Covers nothing that lives now."
    return (
        f"Covers {count_of(cover.workload_count, 'workload')} and"
        f" {count_of(cover.pod_count, 'pod')} that live now, and what is made of them until it ends."
    )


def _warnings(cover: Cover) -> list[str]:
    found = []
    if cover.absent:
        names = _names(cover.absent)
        found.append(
            f"Not there now: {names}. Whatever is created under that name later is exempt from its first pod on."
        )
    if cover.passing:
        found.append(f"Does not fail, so needs no exception: {_names(cover.passing)}.")
    if cover.also:
        found.append(f"Covers more than asked: {_names(cover.also)} cannot be told apart.")
    if cover.is_whole:
        found.append(
            "Exempts from the whole policy: a policy of this kind cannot exempt from single rules."
        )
    return found


def _support(heeded: Heeded | None) -> Support | None:
    if heeded is None or heeded.honoured:
        return None
    if heeded.honoured is False:
        return Support("It would be inert", heeded.sentence, "error", "triangle")
    return Support("Not known to be heeded", heeded.sentence, "unknown", "question")


def _names(workloads: tuple[object, ...]) -> str:
    return listed(tuple(map(str, workloads)))


def _object(each: CoverObject) -> ShownCoverObject:
    is_new = each.before is None
    return ShownCoverObject(
        verb="create" if is_new else "replace",
        verb_word="create" if is_new else "change",
        kind=f"{each.kind} in {each.namespace}" if each.namespace else each.kind,
        name=each.name,
        text=manifest_text(each.after) if is_new else "",
        blocks=() if is_new else diff_blocks(object_diff(each.before, each.after)),
    )
