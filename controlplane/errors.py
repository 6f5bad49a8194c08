"""The one error that everything here raises for a reason its caller can act on."""


class ControlPlaneError(Exception):
    """A control plane could not be built, started or reached; the message says what to do."""
