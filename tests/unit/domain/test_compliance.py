"""References: the benchmark that fits the cluster, and nothing that claims more than was checked."""

import pytest

from policies.domain.compliance import CIS, benchmark_of, references, weakness_references
from policies.domain.controls import SECCOMP_CONTROLS, Control
from policies.domain.posture import Weakness


@pytest.mark.parametrize(
    ("kubernetes", "benchmark"),
    [
        ((1, 10), "1.5"),
        ((1, 21), "1.20"),
        ((1, 23), "1.23"),
        ((1, 25), "1.7"),
        ((1, 28), "1.10"),
        ((1, 29), "1.11"),
        ((1, 31), "1.11"),
        ((1, 34), "1.12"),
        ((1, 36), "1.12"),
        (None, "1.12"),
    ],
)
def test_benchmark_is_the_one_for_the_cluster(
    kubernetes: tuple[int, int] | None, benchmark: str
) -> None:
    assert benchmark_of(kubernetes) == benchmark


@pytest.mark.parametrize(("minor", "item"), [(28, "5.7.2"), (29, "5.6.2"), (36, "5.6.2")])
@pytest.mark.parametrize("control", SECCOMP_CONTROLS)
def test_references_of_seccomp_follow_the_benchmarks_numbers(
    control: Control, minor: int, item: str
) -> None:
    first = references(control, (1, minor))[0]

    assert (first.framework, first.item) == (CIS, item)


@pytest.mark.parametrize("control", Control)
def test_references_of_every_control_are_distinct_and_have_titles(control: Control) -> None:
    found = references(control)

    assert found
    assert len({str(reference) for reference in found}) == len(found)
    assert all(reference.title for reference in found)


def test_references_say_when_a_number_was_not_compared_with_the_text() -> None:
    words = [str(r) for r in references(Control.REQUIRE_SECCOMP)]

    assert "CIS Kubernetes Benchmark 1.12, 5.6.2" in words
    assert "NIST SP 800-190 2017, 4.4.3 (not checked against the text)" in words


@pytest.mark.parametrize(
    ("weakness", "minor", "items"),
    [
        (Weakness.PRIVILEGED, 36, ["5.2.2"]),
        (Weakness.HOST_NAMESPACES, 36, ["5.2.3", "5.2.4", "5.2.5"]),
        (Weakness.CAPABILITIES, 31, ["5.2.8", "5.2.9", "5.2.10"]),
        (Weakness.CAPABILITIES, 32, ["5.2.8", "5.2.9"]),
        (Weakness.HOST_PATHS, 31, ["5.2.12"]),
        (Weakness.HOST_PATHS, 32, ["5.2.11"]),
        (Weakness.HOST_PORTS, 32, ["5.2.12"]),
        (Weakness.WRITABLE_ROOT, 36, []),
    ],
)
def test_weakness_references_follow_the_benchmarks_numbers(
    weakness: Weakness, minor: int, items: list[str]
) -> None:
    assert [r.item for r in weakness_references(weakness, (1, minor))] == items
