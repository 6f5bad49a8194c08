"""Seccomp profiles: valid by OCI, portable over the runtimes, and usable; each rule by its finding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.profiles.findings import Answer, Finding, Question, Severity
from policies.domain.profiles.seccomp import check_seccomp
from policies.domain.profiles.seccomp_lint import RUNTIME_CALLS, START_CALLS

FIVE_CALLS = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["read", "write", "open", "close", "stat"], "action": "SCMP_ACT_ALLOW"}],
}
EVERYWHERE = [f"SCMP_ARCH_{name}" for name in ("X86_64", "X86", "X32", "AARCH64")]


def sound(**changes: Any) -> dict[str, Any]:
    """Give a profile that nothing speaks against."""
    names = sorted({*START_CALLS, *RUNTIME_CALLS, "clone"} - {"arch_prctl"})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": EVERYWHERE,
        "syscalls": [
            {"names": [*names, "arch_prctl"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
        **changes,
    }


def with_rule(**rule: Any) -> dict[str, Any]:
    return sound(syscalls=[*sound()["syscalls"], {"action": "SCMP_ACT_ALLOW", **rule}])


def found(profile: Any, id_: str) -> Finding | None:
    text = profile if isinstance(profile, str) else json.dumps(profile, indent=1)
    return next((f for f in check_seccomp(text).findings if f.id == id_), None)


def answers(profile: Any) -> tuple[Answer, Answer, Answer]:
    check = check_seccomp(json.dumps(profile))
    return (
        check.answer(Question.VALID),
        check.answer(Question.PORTABLE),
        check.answer(Question.USABLE),
    )


def test_profile_of_five_calls_is_valid_and_unusable() -> None:
    finding = found(FIVE_CALLS, "cannot-start")

    assert answers(FIVE_CALLS) == (Answer.YES, Answer.YES, Answer.NO)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "cannot start a process" in finding.what
    for call in ("execve", "exit_group", "mmap", "brk", "openat", "newfstatat"):
        assert call in finding.what
    assert "read," not in finding.what
    old = found(FIVE_CALLS, "old-call-alone")
    assert old is not None
    assert "openat" in old.what


def test_sound_profile_has_nothing_against_it() -> None:
    check = check_seccomp(json.dumps(sound()))

    assert answers(sound()) == (Answer.YES, Answer.YES, Answer.YES)
    assert {f.severity for f in check.findings} <= {Severity.INFO}


@pytest.mark.parametrize(
    ("profile", "id_", "where"),
    [
        ([], "not-an-object", "$"),
        ({}, "default-action-missing", "$"),
        (sound(defaultAction="ERRNO"), "unknown-word", "$.defaultAction"),
        (sound(defaultAction=1), "wrong-type", "$.defaultAction"),
        (sound(defaultErrnoRet=-1), "wrong-type", "$.defaultErrnoRet"),
        (sound(defaultErrnoRet=2**32), "wrong-type", "$.defaultErrnoRet"),
        (sound(defaultErrnoRet=True), "wrong-type", "$.defaultErrnoRet"),
        (sound(architectures="X86"), "wrong-type", "$.architectures"),
        (sound(architectures=["SCMP_ARCH_Z80"]), "unknown-word", "$.architectures[0]"),
        (sound(architectures=[1]), "wrong-type", "$.architectures[0]"),
        (sound(architectures=["SCMP_ARCH_NATIVE"]), "unknown-word", "$.architectures[0]"),
        (sound(flags=["TSYNC"]), "unknown-word", "$.flags[0]"),
        (sound(listenerPath=1), "wrong-type", "$.listenerPath"),
        (sound(listenerMetadata="m"), "metadata-without-listener", "$.listenerMetadata"),
        (sound(syscalls={}), "wrong-type", "$.syscalls"),
        (sound(syscalls=[1]), "wrong-type", "$.syscalls[0]"),
        (sound(syscalls=[{"action": "SCMP_ACT_ALLOW"}]), "names-missing", "$.syscalls[0]"),
        (with_rule(names=[]), "names-missing", "$.syscalls[2].names"),
        (with_rule(names=["read", 1]), "names-missing", "$.syscalls[2].names"),
        (sound(syscalls=[{"names": ["read"]}]), "action-missing", "$.syscalls[0]"),
        (with_rule(names=["read"], errnoRet="EPERM"), "wrong-type", "$.syscalls[2].errnoRet"),
        (with_rule(names=["read"], args={}), "wrong-type", "$.syscalls[2].args"),
        (with_rule(names=["read"], args=[0]), "wrong-type", "$.syscalls[2].args[0]"),
        (
            with_rule(names=["read"], args=[{"index": 0}]),
            "condition-incomplete",
            "$.syscalls[2].args[0]",
        ),
        (
            with_rule(names=["read"], args=[{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]),
            "argument-index",
            "$.syscalls[2].args[0].index",
        ),
        (
            with_rule(names=["read"], args=[{"index": 0, "value": 2**64, "op": "SCMP_CMP_EQ"}]),
            "wrong-type",
            "$.syscalls[2].args[0].value",
        ),
        (
            with_rule(names=["read"], args=[{"index": 0, "value": 1, "op": "=="}]),
            "unknown-word",
            "$.syscalls[2].args[0].op",
        ),
    ],
)
def test_what_oci_forbids_is_an_error_at_its_place(profile: Any, id_: str, where: str) -> None:
    finding = found(profile, id_)

    assert finding is not None
    assert (finding.question, finding.severity) == (Question.VALID, Severity.ERROR)
    assert finding.where == where
    assert finding.fix
    assert answers(profile)[0] is Answer.NO
    assert Answer.YES not in answers(profile)


CONDITION = {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}


@pytest.mark.parametrize(
    ("profile", "id_", "runtime", "effect"),
    [
        (
            sound(architectures=[], archMap=[{"architecture": "x"}]),
            "docker-key",
            "containerd",
            "killed",
        ),
        (sound(defaultErrno="ENOSYS"), "docker-key", "containerd", "EPERM"),
        (sound(archMap=[{"architecture": "x"}]), "archmap-and-architectures", "CRI-O", "refuses"),
        (
            with_rule(names=["mount"], includes={"caps": ["CAP_SYS_ADMIN"]}),
            "docker-key",
            "containerd",
            "holds for every container",
        ),
        (with_rule(names=["mount"], excludes={"caps": ["x"]}), "docker-key", "CRI-O", "leaves"),
        (with_rule(name="mount", names=["umount2"]), "name-and-names", "CRI-O", "refuses"),
        (with_rule(name="mount"), "docker-key", "containerd", "vanishes"),
        (with_rule(names=["mount"], errno="ENOSYS"), "docker-key", "containerd", "EPERM"),
        (sound(version=2), "unknown-key", "CRI-O", "drops"),
        (with_rule(names=["mount"], comment="why"), "comment-key", "containerd", "drops"),
        (
            with_rule(names=["mount"], args=[{**CONDITION, "why": 1}]),
            "unknown-key",
            "containerd",
            "drops",
        ),
        (
            sound(architectures=["SCMP_ARCH_PARISC"]),
            "architecture-unknown-to-runc",
            "runc",
            "refuses",
        ),
        (
            sound(architectures=["SCMP_ARCH_SH"]),
            "architecture-unknown-to-runc",
            "Security Profiles Operator",
            "refuses",
        ),
        (
            sound(architectures=["SCMP_ARCH_NATIVE"]),
            "architecture-unknown-to-runc",
            "Security Profiles Operator",
            "accepts",
        ),
        (
            sound(architectures=["SCMP_ARCH_LOONGARCH64"]),
            "architecture-unknown-to-operator",
            "Security Profiles Operator",
            "refuses",
        ),
        (
            sound(flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]),
            "flag-needs-kernel",
            "runc",
            "lack",
        ),
        (sound(defaultAction="SCMP_ACT_NOTIFY"), "notify-as-default", "runc", "refuses"),
        (
            with_rule(names=["write"], action="SCMP_ACT_NOTIFY"),
            "notify-on-write",
            "runc",
            "refuses",
        ),
        (
            with_rule(names=["bpf"], action="SCMP_ACT_NOTIFY"),
            "notify-needs-agent",
            "runc",
            "socket",
        ),
        (with_rule(names=[""]), "empty-name", "runc", "refuses"),
        (with_rule(names=["bpf"], action="SCMP_ACT_ERRNO"), "rule-like-default", "runc", "leaves"),
        (
            with_rule(names=["mount"], args=[CONDITION, CONDITION]),
            "conditions-become-or",
            "runc",
            "one that holds",
        ),
        (
            with_rule(names=["mount", "mount"]),
            "name-twice-in-rule",
            "Security Profiles Operator",
            "refuses",
        ),
        (
            with_rule(names=["mount"], args=[{**CONDITION, "index": i % 6} for i in range(7)]),
            "many-conditions",
            "Security Profiles Operator",
            "refuses",
        ),
        (
            with_rule(names=["mount"], action="SCMP_ACT_ERRNO", errnoRet=5000),
            "errno-too-large",
            "Security Profiles Operator",
            "refuses",
        ),
        (
            sound(listenerPath="/run/agent.sock"),
            "listener-outside-operator",
            "Security Profiles Operator",
            "refuses",
        ),
    ],
)
def test_what_runtimes_read_in_their_own_way_is_told_by_runtime(
    profile: Any, id_: str, runtime: str, effect: str
) -> None:
    finding = found(profile, id_)

    assert finding is not None
    assert finding.question is Question.PORTABLE
    assert effect in {e.runtime: e.what for e in finding.effects}[runtime]
    if finding.severity is Severity.ERROR:
        assert answers(profile)[1] is Answer.NO


def test_empty_keys_of_docker_change_nothing() -> None:
    profile = with_rule(names=["mount"], includes={}, excludes={}, args=[], comment="")

    assert found(profile, "docker-key") is None
    assert answers(profile)[1] is Answer.YES


def test_rule_with_another_errno_than_the_default_is_kept() -> None:
    assert found(sound(), "rule-like-default") is None


LIMITED_CLONE = {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [CONDITION]}


@pytest.mark.parametrize(
    ("profile", "id_", "severity", "text"),
    [
        ({}, "effectively-unconfined", Severity.ERROR, "no profile at all"),
        ({"defaultAction": "SCMP_ACT_ALLOW"}, "effectively-unconfined", Severity.ERROR, "refused"),
        (
            {
                "defaultAction": "SCMP_ACT_LOG",
                "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
            },
            "effectively-unconfined",
            Severity.ERROR,
            "written to the log",
        ),
        (
            {
                "defaultAction": "SCMP_ACT_LOG",
                "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}],
            },
            "audit-only",
            Severity.WARNING,
            "log",
        ),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}],
            },
            "deny-list",
            Severity.WARNING,
            "newer kernel",
        ),
        (with_rule(names=["opnat"]), "unknown-call", Severity.WARNING, "opnat"),
        (with_rule(names=["pause"]), "absent-on-arm64", Severity.INFO, "pause"),
        (
            sound(architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]),
            "compat-missing",
            Severity.WARNING,
            "SCMP_ARCH_X86",
        ),
        (sound(architectures=["SCMP_ARCH_AARCH64"]), "one-family", Severity.WARNING, "x86-64"),
        (sound(architectures=EVERYWHERE[:3]), "one-family", Severity.WARNING, "arm64"),
        (
            sound(architectures=["SCMP_ARCH_RISCV64"]),
            "architecture-not-judged",
            Severity.INFO,
            "not judged",
        ),
        (
            sound(syscalls=[{"names": ["clone"], "action": "SCMP_ACT_ALLOW"}]),
            "clone3-not-enosys",
            Severity.INFO,
            "threads fail",
        ),
        (
            sound(syscalls=[LIMITED_CLONE, {"names": ["clone3"], "action": "SCMP_ACT_ALLOW"}]),
            "clone3-not-enosys",
            Severity.INFO,
            "allowed for all",
        ),
        (
            with_rule(names=["read"], action="SCMP_ACT_KILL"),
            "different-actions",
            Severity.WARNING,
            "SCMP_ACT_ALLOW, SCMP_ACT_KILL",
        ),
        (with_rule(names=["poll"]), "old-call-alone", Severity.WARNING, "ppoll"),
    ],
)
def test_what_is_legal_and_wrong_is_found(
    profile: Any, id_: str, severity: Severity, text: str
) -> None:
    finding = found(profile, id_)

    assert finding is not None
    assert (finding.question, finding.severity) == (Question.USABLE, severity)
    assert text in finding.what


def test_unknown_call_is_answered_with_the_nearest_name() -> None:
    finding = found(with_rule(names=["reed", "openat"]), "unknown-call")

    assert finding is not None
    assert finding.fix == "Did you mean read?"
    assert finding.where == "$.syscalls[2].names[0]"


def test_call_of_another_architecture_is_known() -> None:
    assert found(with_rule(names=["s390_runtime_instr", "_newselect"]), "unknown-call") is None


def test_arm64_profile_is_not_asked_for_calls_of_x86() -> None:
    profile = sound(architectures=["SCMP_ARCH_AARCH64"])
    profile["syscalls"][0]["names"].remove("arch_prctl")

    assert found(profile, "cannot-start") is None


def test_call_that_is_allowed_under_conditions_is_not_counted_as_refused() -> None:
    profile = sound()
    profile["syscalls"][0]["names"].remove("futex")
    profile["syscalls"].append({**LIMITED_CLONE, "names": ["futex"]})

    assert found(profile, "cannot-start") is None


def test_key_that_stands_twice_is_a_warning() -> None:
    finding = found(
        '{"defaultAction": "SCMP_ACT_ERRNO",\n"defaultAction": "SCMP_ACT_ALLOW"}', "duplicate-key"
    )

    assert finding is not None
    assert finding.line == 2


def test_text_that_is_not_json_leaves_the_rest_unknown() -> None:
    check = check_seccomp("{")

    assert check.answer(Question.VALID) is Answer.NO
    assert check.answer(Question.PORTABLE) is Answer.UNKNOWN
    assert check.answer(Question.USABLE) is Answer.UNKNOWN
    assert check.findings[0].line == 1


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["SCMP_ACT_ALLOW", "read", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "defaultAction",
                    "syscalls",
                    "names",
                    "action",
                    "args",
                    "index",
                    "op",
                    "architectures",
                    "includes",
                    "name",
                    "flags",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(ODD)
def test_checking_odd_documents_never_fails(document: Any) -> None:
    check = check_seccomp(json.dumps(document))

    assert len(check.verdicts) == 3
    if any(f.severity is Severity.ERROR for f in check.findings):
        assert Answer.NO in {v.answer for v in check.verdicts}
