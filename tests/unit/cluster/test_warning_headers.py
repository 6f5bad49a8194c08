"""Warning headers: what Kyverno says about a pod that is admitted."""

import pytest

from policies.cluster.warning_headers import warning_texts


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        ([], ()),
        (['299 - "Policy a failed: Set it."'], ("Policy a failed: Set it.",)),
        (['299 - "one"', '299 - "two"'], ("one", "two")),
        (['299 - "one, and more", 299 - "two"'], ("one, and more", "two")),
        (['299 - "say \\"no\\", or \\\\"'], ('say "no", or \\',)),
        (['299 - "dated" "Wed, 21 Oct 2026 07:28:00 GMT", 199 agent "next"'], ("dated", "next")),
        (['299 host:80 "named"'], ("named",)),
        (['299 - ""'], ("",)),
        (["no form at all"], ("no form at all",)),
        (['299 - "good", rubbish'], ("good", "rubbish")),
        (['299 - "cut off'], ('299 - "cut off',)),
        (['299 - "' + "naïve “quotes”".encode().decode("latin-1") + '"'], ("naïve “quotes”",)),
        (['299 - "na\xefve"'], ("na\xefve",)),
    ],
)
def test_warning_texts_are_read_in_order(headers: list[str], texts: tuple[str, ...]) -> None:
    assert warning_texts(headers) == texts
