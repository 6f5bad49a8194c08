"""Numbers that stand in an address or a field, typed by anybody: what is no plain small number counts as none."""

MOST_DIGITS = 9
"""More would not fit every database's integer, and no page and no row needs it."""


def whole_number(text: str) -> int | None:
    """Read a number of at most nine plain digits; None for anything else, such as `²` or `-1`."""
    plain = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if plain else None


def page_number(text: str) -> int:
    """Read the number of a page; what makes no sense is the first."""
    return whole_number(text) or 1
