"""The variants of one template side by side: a row a parameter, a column a variant, differences marked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from policies.domain.library import VariantSpec
from policies.queries.comparison import ComparedVariant
from policies.web.presenters.variants import asked


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
    lines: tuple[Line, ...]
    difference_count: int


def shown_comparison(variants: Sequence[ComparedVariant]) -> Comparison:
    """Put variants side by side."""
    said = [_said(variant.spec) for variant in variants]
    titles = dict.fromkeys(title for values in said for title in values)
    lines = tuple(_line(title, [values.get(title, "none") for values in said]) for title in titles)
    return Comparison(
        columns=tuple(_column(variant) for variant in variants),
        lines=tuple(sorted(lines, key=lambda line: not line.differs)),
        difference_count=sum(1 for line in lines if line.differs),
    )


def _said(spec: VariantSpec) -> dict[str, str]:
    return {
        "Kind of policy": f"{spec.target} {spec.api_version.rsplit('/', 1)[-1]}",
        "Controls": ", ".join(spec.controls),
        **{line.title: line.text for line in asked(spec).lines},
    }


def _line(title: str, texts: list[str]) -> Line:
    usual = Counter(texts).most_common(1)[0][0]
    values = tuple(Value(text, text != usual) for text in texts)
    return Line(title, values, any(value.is_odd for value in values))


def _column(variant: ComparedVariant) -> Column:
    state = "not-installed"
    if variant.is_installed:
        state = "behind" if variant.is_behind else "as-wanted"
    enforced = f"{variant.enforced_count} of {variant.namespace_count}"
    return Column(variant.id, variant.name, variant.cluster, state, enforced)
