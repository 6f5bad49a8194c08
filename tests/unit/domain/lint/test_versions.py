"""Versions as clusters write them."""

import pytest

from policies.domain.lint import read_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.36.3", (1, 36, 3)),
        ("1.30", (1, 30, 0)),
        (" v1.19.1-rc.1 ", (1, 19, 1)),
        ("v1.29.4+k3s1", (1, 29, 4)),
        ("", None),
        ("latest", None),
    ],
)
def test_read_version_of_text(text: str, version: tuple[int, int, int] | None) -> None:
    assert read_version(text) == version
