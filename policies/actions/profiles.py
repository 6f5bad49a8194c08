"""Keep custom profiles: create one, add a version on top of the last, retire one. A version is never edited."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from policies.actions import audit
from policies.actions.apparmor_check import ask_parser
from policies.actions.errors import Refused
from policies.domain.authority import Act, Actor, require
from policies.domain.controls import Mechanism
from policies.domain.profiles import (
    InvalidProfile,
    refuse_name,
    refuse_text,
    sha256_of,
)
from policies.models import Profile, ProfileVersion

Origin = ProfileVersion.Origin


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to save."""

    text: str
    origin: Origin = Origin.TYPED
    note: str = ""


def create_profile(
    *, name: str, mechanism: Mechanism, draft: Draft, by: Actor, now: datetime
) -> Profile:
    """Create a profile with its first version; a text with errors is kept, and its checks say so. Raises Refused."""
    require(by, Act.WRITE_PROFILE)
    try:
        refuse_name(name)
    except InvalidProfile as error:
        raise Refused(str(error)) from error
    fields = _fields(mechanism, draft)
    try:
        with transaction.atomic():
            profile = Profile.objects.create(
                name=name, mechanism=mechanism.value, created_by_id=by.person_id, created_at=now
            )
            profile.versions.create(number=1, author_id=by.person_id, created_at=now, **fields)
            _record("profile.created", profile, 1, by, now)
    except IntegrityError:
        raise Refused(f"A profile {name} of this kind is in use already.") from None
    return profile


def add_version(
    *, profile_id: int, base_number: int, draft: Draft, by: Actor, now: datetime
) -> ProfileVersion:
    """Save a text as the version after `base_number`. Raises Refused when that is not the last one any more."""
    require(by, Act.WRITE_PROFILE)
    profile = Profile.objects.get(pk=profile_id)
    if profile.retired_at is not None:
        raise Refused(f"{profile.name} is retired; create a new profile instead.")
    _refuse_outdated(profile, base_number, draft.text)
    fields = _fields(Mechanism(profile.mechanism), draft)
    try:
        with transaction.atomic():
            version = profile.versions.create(
                number=base_number + 1, author_id=by.person_id, created_at=now, **fields
            )
            _record("profile.version_added", profile, version.number, by, now)
    except IntegrityError:
        raise Refused(_outdated(profile, base_number)) from None
    return version


def retire_profile(*, profile_id: int, by: Actor, now: datetime) -> Profile:
    """Take a profile out of use; its versions stay, and its name is free again. Raises Refused."""
    require(by, Act.WRITE_PROFILE)
    profile = Profile.objects.get(pk=profile_id)
    with transaction.atomic():
        retired = Profile.objects.filter(pk=profile_id, retired_at__isnull=True).update(
            retired_by_id=by.person_id, retired_at=now
        )
        if not retired:
            raise Refused(f"{profile.name} is retired already.")
        _record("profile.retired", profile, _last(profile).number, by, now)
    profile.refresh_from_db()
    return profile


def _fields(mechanism: Mechanism, draft: Draft) -> dict[str, Any]:
    """Give the columns of a version; asks the parser, so not inside a transaction."""
    try:
        refuse_text(draft.text)
    except InvalidProfile as error:
        raise Refused(str(error)) from error
    outcome = message = ""
    if mechanism is Mechanism.APPARMOR:
        answer = ask_parser(draft.text)
        outcome, message = answer.outcome.value, answer.message
        if answer.line:
            message = f"line {answer.line}: {message}"
    return {
        "text": draft.text,
        "sha256": sha256_of(draft.text),
        "origin": draft.origin.value,
        "note": draft.note.strip()[:200],
        "parser_outcome": outcome,
        "parser_message": message,
    }


def _record(verb: str, profile: Profile, number: int, by: Actor, now: datetime) -> None:
    details = {"profile": profile.name, "mechanism": profile.mechanism, "number": number}
    audit.record(verb, by=by, now=now, details=details)


def _last(profile: Profile) -> ProfileVersion:
    return profile.versions.select_related("author").latest("number")


def _refuse_outdated(profile: Profile, base_number: int, text: str) -> None:
    last = _last(profile)
    if last.number != base_number:
        raise Refused(_outdated(profile, base_number))
    if last.text == text:
        raise Refused(f"Nothing changed since version {base_number}.")


def _outdated(profile: Profile, base_number: int) -> str:
    last = _last(profile)
    if last.number < base_number:
        return f"{profile.name} has no version {base_number}."
    return (
        f"{last.author.get_username()} saved version {last.number} of {profile.name} while you worked on "
        f"version {base_number}. Compare the two and save again on top of it."
    )
