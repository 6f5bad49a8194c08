"""The engine's settings as its page shows them. Whoever sees a part of the cluster only sees no setting that names namespaces."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.domain.engine_settings import EngineConfig, Webhook
from policies.domain.engines import Component, ControllerSettings
from policies.domain.hazards import Hazard, Sureness
from policies.domain.hazards.records import written
from policies.domain.label_selectors import selector_text
from policies.domain.selectors import Selector
from policies.queries.engine import EnginePage
from policies.web.words import count_of

TITLES = {
    Component.ADMISSION: "Admission controller",
    Component.BACKGROUND: "Background controller",
    Component.REPORTS: "Reports controller",
    Component.CLEANUP: "Cleanup controller",
}
_FOR = {
    Component.ADMISSION: "judges requests",
    Component.BACKGROUND: "generates and mutates what is there",
    Component.REPORTS: "scans, and writes reports",
    Component.CLEANUP: "deletes by CleanupPolicies",
}
NO_NAME = "every"
AS_CONFIGURED = "as in the ConfigMap"
SHORT_LIST = 4


@dataclass(frozen=True, slots=True)
class ShownHazard:
    """One hazard as a row."""

    mark: str
    trap: str
    title: str
    because: str
    means: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ShownController:
    """One controller as a row; one that was not found has no version."""

    title: str
    purpose: str
    version: str
    replicas: str
    flags: tuple[str, ...] | None
    """As stated; None when they could not be read, empty when none decides."""
    is_found: bool


@dataclass(frozen=True, slots=True)
class ShownException:
    """How one kind of exceptions fares."""

    kind: str
    mark: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Line:
    """One setting in words."""

    title: str
    values: tuple[str, ...]
    empty: str


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    """One webhook as a row."""

    name: str
    failure: str
    timeout: int
    resources: str
    selector: str
    conditions: tuple[str, ...]


def shown_hazards(found: Iterable[Hazard]) -> tuple[ShownHazard, ...]:
    """Word each hazard."""
    return tuple(
        ShownHazard(
            mark="possible" if each.sureness is Sureness.POSSIBLE else each.weight.value,
            trap=each.trap,
            title=each.title,
            because=each.because,
            means=each.means,
            remedy=each.remedy,
        )
        for each in found
    )


def shown_controllers(page: EnginePage) -> tuple[ShownController, ...]:
    """Word every controller that there should be, in their order."""
    return tuple(_controller(c, page) for c in Component)


def _controller(component: Component, page: EnginePage) -> ShownController:
    found = page.settings.of(component)
    if found is None:
        return ShownController(TITLES[component], _FOR[component], "", "", None, False)
    return ShownController(
        title=TITLES[component],
        purpose=_FOR[component],
        version=written(found.version) if found.version else "",
        replicas=_replicas(found),
        flags=_flags(found) if page.is_whole else (),
        is_found=True,
    )


def _flags(found: ControllerSettings) -> tuple[str, ...] | None:
    if found.flags is None:
        return None
    return tuple(f"{name}={value}" for name, value in sorted(found.flags.items()))


def _replicas(found: ControllerSettings) -> str:
    wanted = "?" if found.replicas is None else str(found.replicas)
    if found.ready is None:
        return f"{wanted} wanted, readiness not said"
    return f"{found.ready} of {wanted} ready"


def shown_exceptions(page: EnginePage) -> tuple[ShownException, ...]:
    """Word how exceptions fare; which namespace they have to lie in is told to who sees all."""
    marks = {True: "yes", False: "no", None: "unknown"}
    return tuple(
        ShownException(
            each.kind.value,
            marks[each.support.honoured],
            each.support.sentence if page.is_whole else "",
        )
        for each in page.exceptions
    )


def shown_config(page: EnginePage) -> tuple[Line, ...]:
    """Word what the ConfigMap decides; nothing while it is not known, or not all of the cluster is seen."""
    found = page.settings.config
    if found is None or not page.is_whole:
        return ()
    return (
        Line(
            "resourceFilters",
            tuple(each.text for each in found.filters),
            "Nothing is passed over.",
        ),
        *_selectors(found),
        Line(
            "Conditions of webhooks",
            tuple(f"{each.name}: {each.expression}" for each in found.conditions),
            "No condition.",
        ),
        Line(
            "Not judged",
            (
                *(f"{kind} {pattern}" for kind, pattern in found.excluded),
                *(f"but {kind} {pattern} is" for kind, pattern in found.included),
            ),
            "Everybody is judged.",
        ),
        Line("updateRequestThreshold", _one(found.threshold), "1000, by default."),
        *(
            Line(f"{key} is unreadable", (), "Kyverno passes over what it cannot read there.")
            for key in found.unreadable
        ),
    )


def _selectors(found: EngineConfig) -> tuple[Line, ...]:
    return (
        Line(
            "namespaceSelector of webhooks",
            _one(selector_text(found.namespace_selector)),
            "Every namespace.",
        ),
        Line(
            "objectSelector of webhooks",
            _one(selector_text(found.object_selector)),
            "Every object.",
        ),
    )


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def shown_webhooks(page: EnginePage) -> tuple[ShownWebhook, ...]:
    """Word every webhook of Kyverno for resources; none where not all of the cluster is seen."""
    if not page.is_whole:
        return ()
    config = page.settings.config
    usual = config.namespace_selector if config else None
    return tuple(_webhook(each, usual) for each in page.settings.webhooks or ())


def _webhook(found: Webhook, usual: Selector | None) -> ShownWebhook:
    return ShownWebhook(
        name=found.name,
        failure="Fail" if found.fails_closed else "Ignore",
        timeout=found.timeout_seconds,
        resources=_resources(found.resources),
        selector=_written(found.namespace_selector, usual) + _objects(found.object_selector),
        conditions=tuple(each.name for each in found.conditions),
    )


def _resources(named: tuple[str, ...]) -> str:
    """Name pods first, and count the controllers of pods behind them."""
    if "pods" not in named or len(named) < SHORT_LIST:
        return ", ".join(named)
    return f"pods and {count_of(len(named) - 1, 'other kind')}"


def _objects(selector: Selector | None) -> str:
    if selector is None:
        return "; objects: unreadable"
    return f"; objects: {selector_text(selector)}" if selector.requirements else ""


def _written(selector: Selector | None, usual: Selector | None) -> str:
    if selector is None:
        return "unreadable"
    if selector.requirements and selector == usual:
        return AS_CONFIGURED
    return selector_text(selector) or NO_NAME
