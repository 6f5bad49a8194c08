"""The variants of one template side by side: a row a parameter, a column a variant, differences marked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from policies.domain.library import Target, VariantSpec
from policies.domain.parameters import Parameters
from policies.queries.comparison import ComparedVariant
from policies.web.presenters.variants import asked

COLUMNS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One variant."""

    id: int
    name: str
    cluster: str
    state: str
    """A mark of the family `object`."""
    enforced: str


@dataclass(frozen=True, slots=True)
class Value:
    """What one variant has for one parameter."""

    text: str
    is_odd: bool
    """Differs from what most have."""


@dataclass(frozen=True, slots=True)
class Line:
    """One parameter over all variants."""

    title: str
    values: tuple[Value, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole table."""

    columns: tuple[Column, ...]
    """Those of this page."""
    variant_count: int
    """Of all that are compared."""
    lines: tuple[Line, ...]
    difference_count: int
    page: int
    page_count: int


def shown_comparison(variants: Sequence[ComparedVariant], *, page: int = 1) -> Comparison:
    """Put a page of variants side by side; what differs, differs from what most of all variants have."""
    # Most variants of a fleet ask the same: it is put into words once.
    words: dict[tuple[Target, str, Parameters], dict[str, str]] = {}
    said = []
    for spec in (variant.spec for variant in variants):
        key = (spec.target, spec.api_version, spec.parameters)
        if key not in words:
            words[key] = _said(spec)
        said.append(words[key])
    titles = dict.fromkeys(title for values in said for title in values)
    pages = max(1, -(-len(variants) // COLUMNS_SHOWN))
    page = min(max(1, page), pages)
    part = slice((page - 1) * COLUMNS_SHOWN, page * COLUMNS_SHOWN)
    lines = tuple(
        _line(title, [values.get(title, "none") for values in said], part) for title in titles
    )
    return Comparison(
        columns=tuple(_column(variant) for variant in variants[part]),
        variant_count=len(variants),
        lines=tuple(sorted(lines, key=lambda line: not line.differs)),
        difference_count=sum(1 for line in lines if line.differs),
        page=page,
        page_count=pages,
    )


def _said(spec: VariantSpec) -> dict[str, str]:
    return {
        "Kind of policy": f"{spec.target} {spec.api_version.rsplit('/', 1)[-1]}",
        "Controls": ", ".join(spec.controls),
        **{line.title: line.text for line in asked(spec).lines},
    }


def _line(title: str, texts: list[str], part: slice) -> Line:
    usual = Counter(texts).most_common(1)[0][0]
    values = tuple(Value(text, text != usual) for text in texts[part])
    return Line(title, values, any(text != usual for text in texts))


def _column(variant: ComparedVariant) -> Column:
    state = "not-installed"
    if variant.is_installed:
        state = "behind" if variant.is_behind else "as-wanted"
    enforced = f"{variant.enforced_count} of {variant.namespace_count}"
    return Column(variant.id, variant.name, variant.cluster, state, enforced)
