"""Refusals that an action foresees, worded for the person who asked."""


class Refused(Exception):
    """This cannot be done now; the message says why and what to do."""

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        """One sentence each: what moved, which gates are open."""


class Busy(Refused):
    """Somebody else is at it already; trying again later helps."""
