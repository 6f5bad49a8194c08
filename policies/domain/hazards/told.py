"""How each hazard is told from the engine's version, flags, ConfigMap and webhooks."""

from collections.abc import Callable, Iterable

from policies.domain.enforceability import excludes_controllers, lets_through
from policies.domain.engine_settings import EngineSettings
from policies.domain.engines import Component, ControllerSettings
from policies.domain.exceptions.records import ExceptionKind
from policies.domain.exceptions.support import exceptions_from_anywhere, exceptions_heeded
from policies.domain.hazards.records import UNREAD_FLAGS, Sureness, Told, by_version, written
from policies.domain.report_limits import Limit, report_limits

Teller = Callable[[EngineSettings], Told | None]

LONG_TIMEOUT_SECONDS = 10
FIRST_WITH_CONDITIONS = (1, 28, 0)
"""The first Kubernetes whose webhooks have matchConditions."""


def shared_selector(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 16, 0), (1, 19, 0))


def override_hole(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 13, 0), (1, 13, 3))


def unheeded_selector(settings: EngineSettings) -> Told | None:
    return by_version(settings, None, (1, 16, 3))


def one_action(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 13, 0), (1, 19, 0))


def limited_reports(settings: EngineSettings) -> Told | None:
    """Tell what hides failures from reports; a reports controller that is not there is told by `silent_reports`."""
    found = [r for r in report_limits(settings) if r.hides_failures and r.limit not in _SILENT]
    if not found:
        return None
    unsure = all(reason.limit is Limit.UNREAD for reason in found)
    sureness = Sureness.POSSIBLE if unsure else Sureness.APPLIES
    return Told(" ".join(reason.sentence for reason in found), sureness)


_SILENT = (Limit.NO_CONTROLLER, Limit.SCALED_DOWN, Limit.OTHER_GROUP)


def silent_reports(settings: EngineSettings) -> Told | None:
    for reason in report_limits(settings):
        if reason.limit in (Limit.NO_CONTROLLER, Limit.SCALED_DOWN):
            return Told(reason.sentence)
    controller = settings.of(Component.REPORTS)
    if controller is not None and controller.ready == 0:
        return Told("No replica of the reports controller is ready.")
    return None


def other_reports(settings: EngineSettings) -> Told | None:
    found = [r for r in report_limits(settings) if r.limit is Limit.OTHER_GROUP]
    return Told(found[0].sentence) if found else None


def ending_kinds(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 20, 0))


def deprecated_kinds(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 17, 0), (1, 20, 0))


def changing_chart(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 17, 0))


def exceptions_anywhere(settings: EngineSettings) -> Told | None:
    """Tell whether an exception of the CEL kind counts wherever it lies."""
    if by_version(settings, (1, 14, 0)) is None:
        return None
    answer = exceptions_from_anywhere(settings.of(Component.ADMISSION), ExceptionKind.CEL)
    if answer is None:
        return Told("What decides about exceptions could not be read.", Sureness.POSSIBLE)
    return Told("Exceptions are on, and no namespace is named for them.") if answer else None


def unchecked_exceptions(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 14, 0), (1, 19, 1))


def filters(settings: EngineSettings) -> Told | None:
    """Tell whether whole namespaces or requesters are passed over."""
    config = settings.config
    if config is None:
        return Told("Kyverno's ConfigMap could not be read.", Sureness.POSSIBLE)
    if pattern := excludes_controllers(config):
        return Told(f"Its ConfigMap excludes {pattern}: what controllers create is not judged.")
    told = []
    if any(each.covers("Pod", each.namespace, "any") for each in config.filters):
        told.append("resourceFilters pass over pods of some namespaces")
    if config.namespace_selector.requirements:
        told.append("the webhooks have a namespaceSelector")
    if config.object_selector.requirements:
        told.append("pods with certain labels are left out by an objectSelector")
    if config.excluded:
        told.append("some users or groups are excluded")
    if not told:
        return None
    text = "; ".join(told)
    return Told(f"{text[0].upper()}{text[1:]}.")


def unread_conditions(settings: EngineSettings) -> Told | None:
    config = settings.config
    if config is None:
        return None
    unread = [each for each in config.conditions if lets_through(each, "any") is None]
    if not unread:
        return None
    count = "a condition" if len(unread) == 1 else f"{len(unread)} conditions"
    return Told(f"The ConfigMap gives the webhooks {count}.", Sureness.POSSIBLE)


def forced_ignore(settings: EngineSettings) -> Told | None:
    return _flag(settings, (Component.ADMISSION,), "--forceFailurePolicyIgnore", wanted=True)


def fixed_webhooks(settings: EngineSettings) -> Told | None:
    return _flag(settings, (Component.ADMISSION,), "--autoUpdateWebhooks", wanted=False)


def no_webhook(settings: EngineSettings) -> Told | None:
    if settings.webhooks is None:
        return Told("The webhooks could not be read.", Sureness.POSSIBLE)
    if settings.expects_pods and not settings.pod_webhooks:
        return Told("Policies about pods are ready, and no webhook asks about pods.")
    return None


def no_replica(settings: EngineSettings) -> Told | None:
    admission = settings.of(Component.ADMISSION)
    if admission is None:
        return Told("The admission controller was not found.", Sureness.POSSIBLE)
    if admission.replicas == 0:
        return Told("The admission controller is scaled to zero.")
    if admission.ready == 0:
        return Told("No replica of the admission controller is ready.")
    return None


def generated_policies(settings: EngineSettings) -> Told | None:
    admission = settings.of(Component.ADMISSION)
    if admission is None or admission.flags is None:
        return UNREAD_FLAGS
    answer = admission.is_on("--generateValidatingAdmissionPolicy", default=False)
    return None if answer is False else Told("--generateValidatingAdmissionPolicy is on.")


def lost_autogen(settings: EngineSettings) -> Told | None:
    return by_version(settings, (1, 14, 0), (1, 19, 0))


def missing_namespace_object(settings: EngineSettings) -> Told | None:
    return by_version(settings, None, (1, 19, 0))


def mixed_versions(settings: EngineSettings) -> Told | None:
    versions = sorted({each.version for each in settings.controllers if each.version is not None})
    if len(versions) > 1:
        return Told(f"Its controllers run {' and '.join(map(written, versions))}.")
    if not settings.controllers or any(each.version is None for each in settings.controllers):
        return Told("The version of some controller is not known.", Sureness.POSSIBLE)
    return None


def several_replicas(settings: EngineSettings) -> Told | None:
    admission = settings.of(Component.ADMISSION)
    if admission is None or admission.replicas is None:
        return None
    if admission.ready is not None and 0 < admission.ready < admission.replicas:
        return Told(f"{admission.ready} of {admission.replicas} admission replicas are ready.")
    if admission.replicas > 1:
        return Told(f"{admission.replicas} replicas answer in turn.")
    return None


def omitted_events(settings: EngineSettings) -> Told | None:
    for component in (Component.ADMISSION, Component.REPORTS):
        controller = settings.of(component)
        stated = controller.flag("--omitEvents", "") if controller else ""
        if stated is None:
            return UNREAD_FLAGS
        if "PolicyViolation" in stated:
            return Told(f"--omitEvents of the {component.value} names PolicyViolation.")
    return None


def other_webhooks(settings: EngineSettings) -> Told | None:
    if not settings.others:
        return None
    count = len(settings.others)
    return Told(f"{count} other {'webhook is' if count == 1 else 'webhooks are'} asked about pods.")


def unheeded_expiry(settings: EngineSettings) -> Told | None:
    return by_version(settings, None, (1, 19, 0))


def late_expiry(settings: EngineSettings) -> Told | None:
    told = by_version(settings, (1, 19, 0))
    return told if told is not None and told.sureness is Sureness.APPLIES else None


def unheeded_exceptions(settings: EngineSettings) -> Told | None:
    answer = exceptions_heeded(settings.of(Component.ADMISSION))
    if answer is None:
        return Told("Whether exceptions are on could not be read.", Sureness.POSSIBLE)
    return None if answer else Told("Exceptions are off at admission.")


def differing_exceptions(settings: EngineSettings) -> Told | None:
    found = [
        controller
        for component in (Component.ADMISSION, Component.BACKGROUND, Component.REPORTS)
        if (controller := settings.of(component)) is not None
    ]
    if any(each.flags is None for each in found):
        return UNREAD_FLAGS
    stated = {_exception_flags(each) for each in found}
    return Told("Controllers have different flags about exceptions.") if len(stated) > 1 else None


def _exception_flags(controller: ControllerSettings) -> tuple[bool | None, str | None]:
    return exceptions_heeded(controller), controller.flag("--exceptionNamespace", "")


def slow_webhooks(settings: EngineSettings) -> Told | None:
    slow = [
        each.timeout_seconds
        for each in settings.pod_webhooks
        if each.timeout_seconds >= LONG_TIMEOUT_SECONDS
    ]
    return Told(f"A webhook about pods waits up to {max(slow)} seconds.") if slow else None


def closed_webhooks(settings: EngineSettings) -> Told | None:
    closed = [each for each in settings.pod_webhooks if each.fails_closed and each.is_shared]
    return Told("The shared webhook about pods fails closed.") if closed else None


def dropped_conditions(settings: EngineSettings) -> Told | None:
    version = settings.kubernetes
    if version is None:
        return Told("The version of Kubernetes is not known.", Sureness.POSSIBLE)
    if version >= FIRST_WITH_CONDITIONS:
        return None
    return Told(f"Kubernetes {written(version)} runs here.")


def _flag(
    settings: EngineSettings, components: Iterable[Component], name: str, *, wanted: bool
) -> Told | None:
    for component in components:
        controller = settings.of(component)
        if controller is None or controller.flags is None:
            return UNREAD_FLAGS
        answer = controller.is_on(name, default=not wanted)
        if answer is None:
            return UNREAD_FLAGS
        if answer is wanted:
            return Told(f"{name} is {'on' if wanted else 'off'}.")
    return None
