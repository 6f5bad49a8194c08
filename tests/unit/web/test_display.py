"""What the template filters draw."""

import pytest
from django.utils.safestring import SafeString

from policies.templatetags.display import coded


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("plain", "plain"),
        ("a `b` c", "a <code>b</code> c"),
        ("`<b>` & co", "<code>&lt;b&gt;</code> &amp; co"),
        ("", ""),
    ],
)
def test_coded_text_between_backticks_is_code(text: str, drawn: str) -> None:
    assert str(coded(text)) == drawn
    assert isinstance(coded(text), SafeString)  # else a template would escape it again
