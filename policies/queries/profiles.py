"""Custom profiles as pages show them: the list with its checks, and one with its versions."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models import F, Max, QuerySet

from policies.domain.controls import Mechanism
from policies.domain.profiles import ABSENT, Check, ParserAnswer, ParserOutcome, check_profile
from policies.models import Profile, ProfileVersion


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One profile in the list, by its last version."""

    id: int
    name: str
    mechanism: Mechanism
    number: int
    changed_at: datetime
    changed_by: str
    retired_at: datetime | None
    check: Check


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version, without its text."""

    number: int
    author: str
    created_at: datetime
    origin: str
    note: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """Everything on the page of one profile; `text` and `check` are those of the version that is shown."""

    id: int
    name: str
    mechanism: Mechanism
    created_by: str
    created_at: datetime
    retired_by: str
    retired_at: datetime | None
    shown: VersionRow
    text: str
    check: Check
    versions: tuple[VersionRow, ...]
    """The newest first."""


def profile_rows() -> tuple[ProfileRow, ...]:
    """List all profiles by name, those in use first, in a fixed number of queries."""
    last = (
        ProfileVersion.objects.alias(last=Max("profile__versions__number"))
        .filter(number=F("last"))
        .select_related("profile", "author")
        .order_by(F("profile__retired_at").asc(nulls_first=True), "profile__name", "profile_id")
    )
    return tuple(_row(version) for version in last)


def profile_page(profile: Profile, number: int | None) -> ProfilePage:
    """Load one profile and one of its versions, the last by default. Raises ProfileVersion.DoesNotExist."""
    versions = list(_versions(profile).defer("text"))
    numbers = [version.number for version in versions]
    shown = _versions(profile).get(number=number or numbers[0])
    return ProfilePage(
        id=profile.pk,
        name=profile.name,
        mechanism=Mechanism(profile.mechanism),
        created_by=profile.created_by.get_username(),
        created_at=profile.created_at,
        retired_by=profile.retired_by.get_username() if profile.retired_by else "",
        retired_at=profile.retired_at,
        shown=_version(shown),
        text=shown.text,
        check=_check(Mechanism(profile.mechanism), shown),
        versions=tuple(_version(version) for version in versions),
    )


def version_texts(profile: Profile, numbers: tuple[int, int]) -> dict[int, str]:
    """Load the texts of two versions by number; what does not exist is missing."""
    found = profile.versions.filter(number__in=numbers)
    return dict(found.values_list("number", "text"))


def names_in_use(mechanism: Mechanism) -> dict[str, tuple[int, int]]:
    """Give id and last number of every profile in use, by name."""
    found = Profile.objects.filter(mechanism=mechanism.value, retired_at__isnull=True)
    rows = found.annotate(last=Max("versions__number")).values_list("name", "pk", "last")
    return {name: (pk, last) for name, pk, last in rows}


def _versions(profile: Profile) -> QuerySet[ProfileVersion]:
    return profile.versions.select_related("author").order_by("-number")


def _row(version: ProfileVersion) -> ProfileRow:
    profile = version.profile
    mechanism = Mechanism(profile.mechanism)
    return ProfileRow(
        id=profile.pk,
        name=profile.name,
        mechanism=mechanism,
        number=version.number,
        changed_at=version.created_at,
        changed_by=version.author.get_username(),
        retired_at=profile.retired_at,
        check=_check(mechanism, version),
    )


def _version(version: ProfileVersion) -> VersionRow:
    return VersionRow(
        number=version.number,
        author=version.author.get_username(),
        created_at=version.created_at,
        origin=version.get_origin_display(),
        note=version.note,
        sha256=version.sha256,
    )


def _check(mechanism: Mechanism, version: ProfileVersion) -> Check:
    outcome = ParserOutcome(version.parser_outcome or ParserOutcome.ABSENT)
    parser = ParserAnswer(outcome, version.parser_message)
    return _checked(mechanism, version.text, parser if outcome != ParserOutcome.ABSENT else ABSENT)


@lru_cache(maxsize=64)
def _checked(mechanism: Mechanism, text: str, parser: ParserAnswer) -> Check:
    """A saved version never changes, and neither does what its checks find."""
    return check_profile(mechanism, text, parser)
