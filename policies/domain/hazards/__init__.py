"""Hazards of an engine's version and settings: which of Kyverno's traps (kyverno-facts T1 to T36) apply on a cluster."""

from policies.domain.engine_settings import EngineSettings
from policies.domain.hazards.catalogue import CATALOGUE, Entry
from policies.domain.hazards.records import Hazard, Sureness, Weight

_WEIGHTS = tuple(Weight)


def hazards(settings: EngineSettings) -> tuple[Hazard, ...]:
    """Name the hazards that apply or may apply: those that apply first, the worst first."""
    found = [hazard for entry in CATALOGUE if (hazard := _told(entry, settings)) is not None]
    found.sort(key=lambda h: (h.sureness is Sureness.POSSIBLE, _WEIGHTS.index(h.weight)))
    return tuple(found)


def _told(entry: Entry, settings: EngineSettings) -> Hazard | None:
    told = entry.tell(settings)
    if told is None:
        return None
    return Hazard(
        trap=entry.trap,
        weight=entry.weight,
        sureness=told.sureness,
        title=entry.title,
        because=told.because,
        means=entry.means,
        remedy=entry.remedy,
    )


__all__ = ["CATALOGUE", "Hazard", "Sureness", "Weight", "hazards"]
