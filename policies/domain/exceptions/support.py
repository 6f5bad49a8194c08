"""Whether a cluster's engine heeds exceptions, by the flags of its controllers, and which flag to change if not.

A flag that was not read is unknown, and nothing unknown is said to be heeded. The flags decide without a word: an object
that they leave out is stored and does nothing.
"""

from dataclasses import dataclass

from policies.domain.engines import (
    EXCEPTION_NAMESPACE_FLAG,
    EXCEPTIONS_FLAG,
    TRUTH,
    Component,
    ControllerSettings,
    Version,
)
from policies.domain.exceptions.records import ExceptionKind

EVERY = "*"
_ON_BY_DEFAULT = ((1, 11), (1, 12))
_EMPTY_MEANS_NONE_SINCE = (1, 13)
"""Of kyverno.io exceptions; before, an empty namespace meant every one."""
_ONE_MEANING_SINCE = (1, 17)
"""Of CEL exceptions; before, admission passed over the namespace, and reports took `*` for a name."""


@dataclass(frozen=True, slots=True)
class Support:
    """How one kind of exception fares in one namespace of one cluster."""

    honoured: bool | None
    """At admission; None when a setting is not known."""
    in_reports: bool | None
    """By the reports controller, which may be set otherwise: then reports go on to say fail."""
    namespaces: tuple[str, ...] | None
    """Where such an exception has to lie to count at admission; None for anywhere, empty for nowhere or unknown."""
    sentence: str
    """What is known, and which setting of which Deployment to change."""


@dataclass(frozen=True, slots=True)
class _Reach:
    heeded: bool | None
    namespaces: tuple[str, ...] | None
    advice: str
    """Empty when there is nothing to change."""


def exception_support(
    controllers: tuple[ControllerSettings, ...], kind: ExceptionKind, namespace: str
) -> Support:
    """Say whether an exception of this kind that lies in this namespace counts."""
    by_component = {each.component: each for each in controllers}
    admission = _reach(by_component.get(Component.ADMISSION), kind, namespace, Component.ADMISSION)
    reports = _reach(by_component.get(Component.REPORTS), kind, namespace, Component.REPORTS)
    advices = [each.advice for each in (admission, reports) if each.advice]
    if admission.heeded and reports.heeded:
        lead = (
            f"Exceptions of {kind} in the namespace {namespace} count, at admission and in reports."
        )
    elif admission.heeded:
        lead = (
            f"Exceptions of {kind} in the namespace {namespace} count at admission;"
            f" reports {'go on to say fail' if reports.heeded is False else 'may go on to say fail'}."
        )
    elif admission.heeded is False:
        lead = (
            f"An exception of {kind} in the namespace {namespace} would be stored and do nothing."
        )
    else:
        lead = f"Whether exceptions of {kind} in the namespace {namespace} count is not known."
    sentence = " ".join((lead, *advices))
    return Support(admission.heeded, reports.heeded, admission.namespaces, sentence)


def agreed_namespace(
    controllers: tuple[ControllerSettings, ...], kind: ExceptionKind, usual: str
) -> str:
    """Say where exceptions of this kind are to lie: in the one namespace that the engine names, else in the usual one."""
    for each in controllers:
        if each.component is Component.ADMISSION:
            reach = _reach(each, kind, usual, each.component)
            if reach.namespaces and len(reach.namespaces) == 1:
                return reach.namespaces[0]
    return usual


def exceptions_heeded(settings: ControllerSettings | None) -> bool | None:
    """Say whether a controller reads exceptions at all; None when that is not known."""
    return None if settings is None else _enabled(settings)


def exceptions_from_anywhere(
    settings: ControllerSettings | None, kind: ExceptionKind
) -> bool | None:
    """Say whether an exception counts in whatever namespace it lies; None when that is not known."""
    if settings is None:
        return None
    enabled = _enabled(settings)
    if not enabled:
        return enabled
    allowed = _allowed(settings, kind)
    if allowed is None:
        return True
    if not allowed and (settings.version is None or not _knows_namespace(settings)):
        return None
    return False


def _reach(
    settings: ControllerSettings | None,
    kind: ExceptionKind,
    namespace: str,
    component: Component,
) -> _Reach:
    if settings is None:
        return _Reach(None, (), f"The Deployment of Kyverno's {component} was not found.")
    where = f"the Deployment {settings.namespace}/{settings.name}"
    enabled = _enabled(settings)
    if enabled is None:
        return _Reach(None, (), f"{EXCEPTIONS_FLAG} of {where} could not be read.")
    if not enabled:
        return _Reach(False, (), f"Set {EXCEPTIONS_FLAG}=true in {where}.")
    allowed = _allowed(settings, kind)
    if allowed == ():
        return _unlisted(settings, kind, where, namespace)
    if allowed is None or namespace in allowed:
        return _Reach(True, allowed, "")
    advice = f"{EXCEPTION_NAMESPACE_FLAG} of {where} is {allowed[0]}: put the exception there, or set {EXCEPTION_NAMESPACE_FLAG}={namespace}."
    return _Reach(False, allowed, advice)


def _unlisted(
    settings: ControllerSettings, kind: ExceptionKind, where: str, namespace: str
) -> _Reach:
    if not _knows_namespace(settings) or settings.version is None:
        return _Reach(
            None, (), f"{EXCEPTION_NAMESPACE_FLAG} of {where}, or its version, could not be read."
        )
    if kind is ExceptionKind.CEL:
        advice = f"This Kyverno takes {EVERY} for the name of a namespace: set {EXCEPTION_NAMESPACE_FLAG}={namespace} in {where}."
    else:
        advice = f"Set {EXCEPTION_NAMESPACE_FLAG}={namespace} in {where}; without it Kyverno loads no exception."
    return _Reach(False, (), advice)


def _enabled(settings: ControllerSettings) -> bool | None:
    if settings.flags is None:
        return None
    stated = settings.flags.get(EXCEPTIONS_FLAG)
    if stated is not None:
        return TRUTH.get(stated)
    if settings.version is None:
        return None
    return settings.version[:2] in _ON_BY_DEFAULT


def _knows_namespace(settings: ControllerSettings) -> bool:
    return settings.flags is not None and "$(" not in settings.flags.get(
        EXCEPTION_NAMESPACE_FLAG, ""
    )


def _allowed(settings: ControllerSettings, kind: ExceptionKind) -> tuple[str, ...] | None:
    """Give the namespaces whose exceptions a controller reads; None for all, empty for none or unknown."""
    stated = (settings.flags or {}).get(EXCEPTION_NAMESPACE_FLAG, "")
    if not _knows_namespace(settings):
        return ()
    if kind is ExceptionKind.KYVERNO:
        return _of_rules(stated, settings.version)
    return _of_policies(stated, settings.version, settings.component)


def _of_rules(stated: str, version: Version | None) -> tuple[str, ...] | None:
    if stated == EVERY:
        return None
    if stated:
        return (stated,)
    if version is None or version[:2] >= _EMPTY_MEANS_NONE_SINCE:
        return ()
    return None


def _of_policies(
    stated: str, version: Version | None, component: Component
) -> tuple[str, ...] | None:
    if version is None:
        # Only a plain name is read alike by all versions, and admission of the older ones heeds even more.
        return (stated,) if stated not in ("", EVERY) else ()
    if version[:2] >= _ONE_MEANING_SINCE:
        return (stated,) if stated not in ("", EVERY) else None
    if component is Component.ADMISSION or not stated:
        return None
    return () if stated == EVERY else (stated,)
