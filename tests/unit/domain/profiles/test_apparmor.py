"""AppArmor profiles by the light parser: names, rules, what is broken, what cancels what, and what it cannot judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.profiles.apparmor import (
    ParserAnswer,
    ParserOutcome,
    check_apparmor,
    outside_includes,
)
from policies.domain.profiles.apparmor_globs import covers, overlaps
from policies.domain.profiles.apparmor_text import read_profiles
from policies.domain.profiles.findings import Answer, Finding, Question, Severity
from tests.unit.domain.profiles.apparmor_texts import (
    ACCEPTED,
    NEWER,
    REFUSED,
    SELF_CANCELLING,
    SOUND,
    profile,
)

TAKEN = ParserAnswer(ParserOutcome.ACCEPTED, "", None, "3.0.8", ("web",))


def found(text: str, id_: str) -> list[Finding]:
    return [finding for finding in check_apparmor(text).findings if finding.id == id_]


def test_deny_that_cancels_grants_is_found_with_both_rules_and_lines() -> None:
    first, second = found(SELF_CANCELLING, "deny-cancels-grant")

    assert "“deny /** w” in line 16 cancels “/tmp/** rw” in line 12" in first.what
    assert "only “r” is left" in first.what
    assert "“deny /** w” in line 16 cancels “/var/log/** w” in line 13" in second.what
    assert "nothing is left" in second.what
    assert (first.line, second.line) == (12, 13)
    assert check_apparmor(SELF_CANCELLING).answer(Question.USABLE) is Answer.NO


@pytest.mark.parametrize(
    ("rules", "cancels"),
    [
        (("/app/** rw,", "deny /app/secret/** rw,"), False),
        (("/app/secret/x r,", "deny /app/secret/** rw,"), True),
        (("/app/x r,", "deny /app/** w,"), False),
        (("/app/x a,", "deny /app/** w,"), True),
        (("/app/x ix,", "deny /app/* x,"), True),
        (("/app/x rw,", "deny owner /app/* w,"), False),
        (("owner /app/x rw,", "deny owner /app/* w,"), True),
        (("owner @{HOME}/x rw,", "deny /** w,"), True),
        (("/{a,b}/x w,", "deny /a/** w,"), False),
        (("/{a,b}/x w,", "deny /[ab]/** w,"), True),
        (("capability kill,", "deny capability,"), True),
        (("capability kill chown,", "deny capability kill,"), False),
        (("network inet tcp,", "deny network inet,"), True),
        (("network inet,", "deny network inet tcp,"), False),
        (("network inet tcp,", "deny capability,"), False),
        (("file,", "deny /** w,"), False),
        (("file,", "deny file,"), True),
    ],
)
def test_deny_cancels_a_grant_only_when_it_covers_it(rules: tuple[str, ...], cancels: bool) -> None:
    text = "#include <tunables/global>\n" + profile(*rules)

    assert bool(found(text, "deny-cancels-grant")) is cancels


@pytest.mark.parametrize(
    ("wide", "narrow", "wanted"),
    [
        ("/**", "/tmp/**", True),
        ("/**", "/", False),
        ("/tmp/*", "/tmp/**", False),
        ("/tmp/*", "/tmp/", False),
        ("/a?", "/a/", False),
        ("/a{,b}", "/ab", True),
        ("/[^a]x", "/ax", False),
        ("/[a-c]x", "/bx", True),
        ("/x\\*", "/xy", False),
        ("@{X}/*", "/two/y", True),
        ("@{X}/*", "@{X}/y", True),
        ("/one/*", "@{X}/y", False),
        ("@{PROC}/*", "/proc/cpuinfo", True),
        ("/@{UNKNOWN}/**", "/a/b", False),
        ("/**", "@{UNKNOWN}/b", True),
        ("/[a", "/a", False),
        ("/{a", "/a", False),
        ("/@{X", "/a", False),
        ("/a\\", "/a", False),
        ("/[z-a]", "/a", False),
        ("/" + "{a,b}" * 700, "/" + "a" * 700, False),
    ],
)
def test_pattern_covers_another_when_it_matches_all_of_it(
    wide: str, narrow: str, wanted: bool
) -> None:
    assert covers(wide, narrow, {"X": ("/one", "/two")}) is wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("/a/*x", "/a/y*", True),
        ("/a/**", "/b/**", False),
        ("/a/[b-c]", "/a/d", False),
        ("/{a", "/{b", True),
    ],
)
def test_patterns_overlap_unless_nothing_matches_both(one: str, other: str, wanted: bool) -> None:
    assert overlaps(one, other, {}) is wanted


@given(st.text(alphabet="/ab*?[]{},^-\\@", max_size=10))
def test_pattern_covers_itself_and_is_within_everything(pattern: str) -> None:
    assert covers(pattern, pattern, {})
    assert isinstance(covers("/**", pattern, {}), bool)


@pytest.mark.parametrize("text", ACCEPTED)
def test_sound_text_waits_for_the_parser(text: str) -> None:
    check = check_apparmor(text)

    assert check.answer(Question.VALID) is Answer.UNKNOWN
    assert check.names
    assert "needs apparmor_parser" in check.verdicts[0].sentence


@pytest.mark.parametrize("text", REFUSED)
def test_broken_text_is_found_with_its_line(text: str) -> None:
    check = check_apparmor(text)
    errors = [
        f for f in check.findings if f.severity is Severity.ERROR and f.question is Question.VALID
    ]

    assert check.answer(Question.VALID) is Answer.NO
    assert errors
    assert all(finding.line and finding.fix for finding in errors)


@pytest.mark.parametrize("text", NEWER)
def test_newer_syntax_is_not_invalid(text: str) -> None:
    refused = ParserAnswer(ParserOutcome.REFUSED, "syntax error", 2, "3.0.8")

    assert check_apparmor(text).answer(Question.VALID) is Answer.NEWER
    assert check_apparmor(text, refused).answer(Question.VALID) is Answer.NEWER
    assert check_apparmor(text, TAKEN).answer(Question.VALID) is Answer.YES
    assert found(text, "newer-syntax")


def test_what_is_in_the_text_is_read() -> None:
    text = read_profiles(SOUND)
    web = text.profiles[0]

    assert (web.name, web.flags) == ("web", ("attach_disconnected", "mediate_deleted"))
    assert [name for name, _ in text.includes] == ["tunables/global", "abstractions/base"]
    files = [(rule.path, rule.perms) for rule in web.rules if rule.kind == "file"]
    assert ("/tmp/with space/**", "rwk") in files
    assert ("/srv/{a,b}/[0-9]*.txt", "r") in files
    assert text.troubles == []


def test_children_hats_and_conditions_are_read_as_blocks() -> None:
    text = read_profiles(
        profile("^hat {", "/a r,", "}", "profile inner {", "/b r,", "}", "if $x {", "/c r,", "}")
    )

    assert [block.name for block in text.blocks()] == ["web", "^hat", "inner"]
    assert [rule.path for rule in text.profiles[0].rules] == ["/c"]
    assert text.has_conditions


def test_several_profiles_are_all_named() -> None:
    text = profile("/x r,", head="profile a") + profile("/x r,", head="profile b")

    assert check_apparmor(text).names == ("a", "b")
    assert "a, b" in found(text, "several-profiles")[0].what


@pytest.mark.parametrize("flag", ["complain", "unconfined"])
def test_flag_that_enforces_nothing_is_an_error(flag: str) -> None:
    text = profile("/x r,", head=f"profile web flags=({flag})")

    assert check_apparmor(text).answer(Question.ENFORCING) is Answer.NO
    assert found(text, "not-enforcing")[0].severity is Severity.ERROR
    assert check_apparmor(profile("/x r,")).answer(Question.ENFORCING) is Answer.YES


@pytest.mark.parametrize(
    ("text", "id_", "severity"),
    [
        (profile("/x r,"), "no-attach-disconnected", Severity.INFO),
        (profile("/x r,"), "no-mediate-deleted", Severity.INFO),
        (profile("/x r,"), "no-exec-rule", Severity.WARNING),
        (profile("/x r,"), "no-capability-rule", Severity.INFO),
        (profile("mount,", "/x r,"), "not-judged", Severity.INFO),
        (profile("/x r,", head="profile unconfined"), "reserved-name", Severity.ERROR),
        (profile("/x r,", head="/usr/sbin/ntpd"), "attaches-to-host", Severity.WARNING),
        (profile("/x r,").replace("\n", "\r\n"), "carriage-return", Severity.WARNING),
        (profile('include "/etc/passwd"'), "outside-include", Severity.ERROR),
        (profile("/x r,") + "# last", "comment-without-newline", Severity.ERROR),
    ],
)
def test_what_is_missing_or_odd_is_told(text: str, id_: str, severity: Severity) -> None:
    assert [finding.severity for finding in found(text, id_)][:1] == [severity]


@pytest.mark.parametrize("rule", ["/x ix,", "file,", "/x Pix -> other,"])
def test_exec_rule_of_any_kind_counts(rule: str) -> None:
    assert not found(profile(rule), "no-exec-rule")


def test_sound_profile_is_usable_and_says_what_is_not_judged() -> None:
    check = check_apparmor(SOUND, TAKEN)

    assert [verdict.answer for verdict in check.verdicts] == [Answer.YES] * 3
    assert "signal" in found(SOUND, "not-judged")[0].what
    assert "abstractions/base" in found(SOUND, "not-judged")[0].what


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('include "/etc/shadow"', 1),
        ('#include\n "/etc/shadow"', 1),
        ("include if exists </etc/shadow>", 1),
        ("include <../../etc/shadow>", 1),
        ('include "a\\057etc"', 1),
        ('abi "/etc/shadow",', 1),
        ('x r, include"/etc/shadow"', 1),
        ("include <abstractions/base>\nabi <abi/3.0>,\ninclude if exists <local/web>", 0),
        ("/usr/include/python*/pyconfig.h r,", 0),
    ],
)
def test_include_from_outside_is_found_however_it_is_written(text: str, count: int) -> None:
    assert len(outside_includes(text)) == count


def test_parser_has_the_last_word_over_the_light_one() -> None:
    odd = profile("frobnicate,")

    assert check_apparmor(odd).answer(Question.VALID) is Answer.NO
    assert check_apparmor(odd, TAKEN).answer(Question.VALID) is Answer.YES


def test_parser_that_refuses_is_quoted() -> None:
    check = check_apparmor(
        profile("/x r,"), ParserAnswer(ParserOutcome.REFUSED, "no such thing", 2, "3.0.8")
    )

    assert check.answer(Question.VALID) is Answer.NO
    assert [f.line for f in check.findings if "no such thing" in f.what] == [2]


def test_parser_without_an_answer_leaves_it_unknown() -> None:
    late = ParserAnswer(ParserOutcome.FAILED, "it took longer than 2 seconds")
    verdict = check_apparmor(profile("/x r,"), late).verdicts[0]

    assert verdict.answer is Answer.UNKNOWN
    assert "2 seconds" in verdict.sentence


@given(st.text(alphabet='#/abrw{}[](),"@\\=\n <>^', max_size=60))
def test_checking_odd_texts_never_fails(text: str) -> None:
    check = check_apparmor(text)

    assert len(check.verdicts) == 3
    assert check.answer(Question.VALID) is not Answer.YES


def test_large_and_deep_texts_are_refused_quickly() -> None:
    assert found("#" * (1024 * 1024 + 1), "too-large")
    assert found("profile a {\n" * 12, "too-deep")
