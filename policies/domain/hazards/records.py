"""What a hazard is: something that a version or a setting of the engine does, and that nobody would expect."""

from dataclasses import dataclass
from enum import StrEnum

from policies.domain.engine_settings import EngineSettings
from policies.domain.engines import Version


class Weight(StrEnum):
    """How much a hazard matters, the worst first."""

    DANGER = "danger"
    """It blocks what should pass, or lets pass what should be refused."""
    CAUTION = "caution"
    """It makes numbers, times or exceptions other than they look."""
    NOTE = "note"


class Sureness(StrEnum):
    """Whether it applies, as far as the settings are known."""

    APPLIES = "applies"
    POSSIBLE = "possible"
    """What decides is not known."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """One hazard of an engine as it is set up now, in plain words. None of them names a namespace."""

    trap: str
    """Its number among the traps of Kyverno: `T2`."""
    weight: Weight
    sureness: Sureness
    title: str
    because: str
    """What of the version or settings makes it apply."""
    means: str
    """What it means to whoever flips policies here."""
    remedy: str
    """What to do, or what secprof does already."""


@dataclass(frozen=True, slots=True)
class Told:
    """That a hazard applies, or may."""

    because: str
    sureness: Sureness = Sureness.APPLIES


UNKNOWN_VERSION = Told("Kyverno's version is not known.", Sureness.POSSIBLE)
UNREAD_FLAGS = Told("The flags of a controller could not be read.", Sureness.POSSIBLE)


def by_version(
    settings: EngineSettings, first: Version | None = None, before: Version | None = None
) -> Told | None:
    """Tell whether the version is `first` or newer and older than `before`; None when it is not."""
    version = settings.version
    if version is None:
        return UNKNOWN_VERSION
    if (first is not None and version < first) or (before is not None and version >= before):
        return None
    return Told(f"Kyverno {written(version)} runs here.")


def written(version: Version) -> str:
    return ".".join(map(str, version))
