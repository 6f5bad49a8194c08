"""Objects of the Security Profiles Operator: what a profile becomes, what is lost, and what is taken back from them."""

import json
from typing import Any

import pytest
import yaml

from policies.domain.controls import Mechanism
from policies.domain.profiles.apparmor import check_apparmor
from policies.domain.profiles.apparmor_abstract import NotExportable
from policies.domain.profiles.findings import Answer, Question
from policies.domain.profiles.operator_objects import (
    Export,
    Imported,
    NotImportable,
    export,
    read_recorded,
)
from policies.domain.profiles.pods import Place, localhost_value, security_context
from policies.domain.profiles.versions import TooLongToCompare, text_diff
from tests.unit.domain.profiles.apparmor_texts import SELF_CANCELLING, profile
from tests.unit.domain.profiles.test_seccomp import FIVE_CALLS, with_rule

GROUP = "security-profiles-operator.x-k8s.io"
READABLE = """\
#include <tunables/global>
profile web flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>
  capability net_bind_service,
  network inet tcp,
  /app/bin/* rix,
  /app/lib/** mr,
  /etc/app/** r,
  /var/log/app/** wlk,
  /tmp/** rwlk,
}
"""


def seccomp(content: Any, version: str = "v1") -> Export:
    return export(Mechanism.SECCOMP, "five", json.dumps(content), version)


def apparmor(text: str, version: str = "v1") -> Export:
    return export(Mechanism.APPARMOR, "web", text, version)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_seccomp_profile_becomes_a_cluster_scoped_object(version: str) -> None:
    made = yaml.safe_load(seccomp(FIVE_CALLS, version).text)

    assert made == {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "SeccompProfile",
        "metadata": {"name": "five"},
        "spec": FIVE_CALLS,
    }


def test_seccomp_export_says_what_is_lost() -> None:
    content = with_rule(names=["mount"], action="SCMP_ACT_ERRNO", errnoRet=0, comment="why")

    found = seccomp({**content, "defaultErrnoRet": 38, "comment": "x"})

    assert found.lost == (
        "defaultErrnoRet 38: refused calls answer with EPERM",
        "the key comment",
        "rule 3: errnoRet 0 counts as unset there: the calls answer with EPERM",
        "rule 3: the key comment",
    )
    assert "comment" not in found.text


@pytest.mark.parametrize(
    "content",
    [
        {},
        with_rule(names=["mount", "mount"]),
        with_rule(names=["mount"], includes={"caps": ["CAP_SYS_ADMIN"]}),
        {**FIVE_CALLS, "architectures": ["SCMP_ARCH_LOONGARCH64"]},
        {**FIVE_CALLS, "listenerPath": "/run/x.sock"},
    ],
)
def test_seccomp_profile_that_the_operator_would_refuse_is_not_exported(content: Any) -> None:
    with pytest.raises(NotExportable):
        seccomp(content)


def test_apparmor_profile_becomes_abstract_lists() -> None:
    found = apparmor(READABLE)

    assert yaml.safe_load(found.text)["spec"] == {
        "abstract": {
            "executable": {
                "allowedExecutables": ["/app/bin/*"],
                "allowedLibraries": ["/app/lib/**"],
            },
            "filesystem": {
                "readOnlyPaths": ["/etc/app/**"],
                "writeOnlyPaths": ["/var/log/app/**"],
                "readWritePaths": ["/tmp/**"],
            },
            "network": {"allowedProtocols": {"allowTcp": True}},
            "capability": {"allowedCapabilities": ["net_bind_service"]},
        },
        "mode": "Enforce",
    }
    assert found.lost == ()
    assert "holds for every family" in found.changed[0]


@pytest.mark.parametrize(
    ("rule", "lost"),
    [
        ("owner /home/x rw,", "only for the owner"),
        ("/srv/{a,b} r,", "no place"),
        ("/bin/x Px,", "no place"),
        ("/bin/x rix -> other,", "no place"),
        ("signal (receive),", "signal"),
        ("network unix stream,", "network unix stream"),
        ("network inet,", "network inet"),
        ("#include <abstractions/nameservice>", "include of abstractions/nameservice"),
    ],
)
def test_apparmor_export_names_what_has_no_place(rule: str, lost: str) -> None:
    found = apparmor(READABLE.replace("}", f"  {rule}\n}}"))

    assert len(found.lost) == 1
    assert found.lost[0].startswith("line 11: ")
    assert lost in found.lost[0]


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("/srv/x w,", "linked and locked"),
        ("/srv/x ix,", "may also be read"),
        ("/srv/x rk,", "loses link and lock"),
        ("network,", "only TCP, UDP and raw"),
        ("deny /proc/kcore r,", "no grant that is left reaches it"),
    ],
)
def test_apparmor_export_names_what_changes(rule: str, changed: str) -> None:
    found = apparmor(READABLE.replace("}", f"  {rule}\n}}"))

    assert any(changed in each and "line 11" in each for each in found.changed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SELF_CANCELLING, "takes back"),
        (profile("/x r,", "deny capability kill,", "capability kill chown,"), "takes back"),
        (profile("network,", "deny network raw,"), "takes back"),
        (profile("/app/* r,", "deny /app/secret* r,"), "takes back"),
        (profile("/** r,", "/tmp/** rw,"), "cancel"),
        (profile("/log/** w,", "/log/old/** r,"), "cancel"),
        (profile("signal,", "ptrace,", "/x r,"), "Too much"),
        (profile("^hat {", "/x r,", "}"), "hats"),
        (profile("if $x {", "/x r,", "}"), "conditions"),
        (profile("/x r,", head="profile a flags=(unconfined)"), "unconfined"),
        (profile("/x r,", head="profile a") + profile("/x r,", head="profile b"), "several"),
        (profile("x r,"), "errors"),
    ],
)
def test_apparmor_profile_that_would_become_another_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NotExportable, match=reason):
        apparmor(text)


def test_complaining_profile_is_exported_as_one() -> None:
    text = READABLE.replace("flags=(", "flags=(complain,")

    assert yaml.safe_load(apparmor(text).text)["spec"]["mode"] == "Complain"
    assert yaml.safe_load(apparmor(text, "v1alpha1").text)["spec"]["complainMode"] is True


def recorded(kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": "web-app", **metadata},
        "spec": spec,
    }


def taken(manifest: Any) -> Imported:
    (found,) = read_recorded(yaml.safe_dump(manifest))
    return found


def test_exported_objects_are_taken_back() -> None:
    (one,) = read_recorded(seccomp(FIVE_CALLS).text)
    (two,) = read_recorded(apparmor(READABLE).text)

    assert (one.mechanism, one.name, json.loads(one.text)) == (
        Mechanism.SECCOMP,
        "five",
        FIVE_CALLS,
    )
    assert two.mechanism is Mechanism.APPARMOR
    assert yaml.safe_load(apparmor(two.text).text) == yaml.safe_load(apparmor(READABLE).text)


def test_recorded_seccomp_profile_is_taken_with_what_is_missing_in_it() -> None:
    spec = {
        **FIVE_CALLS,
        "architectures": ["SCMP_ARCH_NATIVE"],
        "baseProfileName": "runc",
        "state": "Disabled",
    }

    found = taken(recorded("SeccompProfile", spec))

    assert json.loads(found.text)["architectures"] == []
    assert len(found.notes) == 3
    assert "runc is not in it" in found.notes[0]


def test_recorded_apparmor_profile_becomes_a_text_that_parses() -> None:
    spec = {
        "abstract": {
            "executable": {"allowedExecutables": ["/bin/my app", "ptrace (read),"]},
            "filesystem": {"readOnlyPaths": ["/etc/x"]},
            "network": {"allowRaw": True, "allowedProtocols": {"allowUdp": True}},
            "capability": {"allowedCapabilities": ["CAP_CHOWN"]},
            "ptrace": {"allowedAccess": ["read", "trace"], "peer": "@{profile_name}"},
        },
        "mode": "Complain",
    }

    found = taken(recorded("AppArmorProfile", spec))

    for line in (
        "profile web-app flags=(complain,attach_disconnected,mediate_deleted) {",
        '  "/bin/my app" rix,',
        "  ptrace (read),",
        "  /etc/x r,",
        "  network udp,",
        "  network raw,",
        "  capability chown,",
        "  ptrace (read, trace) peer=@{profile_name},",
    ):
        assert line in found.text.splitlines()
    assert check_apparmor(found.text).answer(Question.VALID) is Answer.UNKNOWN


def test_lists_and_several_documents_are_taken_whole() -> None:
    one = recorded("SeccompProfile", FIVE_CALLS)
    list_ = {"apiVersion": "v1", "kind": "List", "items": [one, one]}
    typed = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "SeccompProfileList",
        "items": [{"metadata": one["metadata"], "spec": one["spec"]}],
    }

    every = [json.loads(json.dumps(each)) for each in (list_, typed, one)]
    assert len(read_recorded(yaml.safe_dump_all(every))) == 4
    assert len(read_recorded(json.dumps(list_))) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "No object"),
        ("[1]", "An object was expected"),
        ("a: [", "neither YAML nor JSON"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("{" * 3000, "neither YAML nor JSON"),
        ("#" * (512 * 1024 + 1), "512 KiB"),
        (yaml.safe_dump({"kind": "SeccompProfile", "apiVersion": "v1"}), "no object of the"),
        (yaml.safe_dump(recorded("SelinuxProfile", {})), "neither a SeccompProfile"),
        (yaml.safe_dump(recorded("SeccompProfile", {})), "defaultAction"),
        (yaml.safe_dump(recorded("SeccompProfile", FIVE_CALLS, name="../x")), "is no name"),
        (
            yaml.safe_dump(
                recorded("SeccompProfile", FIVE_CALLS, labels={"spo.x-k8s.io/partial": "true"})
            ),
            "partial recording",
        ),
        (
            yaml.safe_dump(
                recorded(
                    "AppArmorProfile",
                    {"abstract": {"filesystem": {"readOnlyPaths": ["/x r,\n  /** rw,\n  /y"]}}},
                )
            ),
            "no plain text|not a plain text",
        ),
        (yaml.safe_dump(recorded("SeccompProfile", {**FIVE_CALLS, "flags": {1, 2}})), "JSON"),
    ],
)
def test_what_is_no_whole_recorded_profile_is_refused_with_the_reason(
    text: str, reason: str
) -> None:
    with pytest.raises(NotImportable, match=reason):
        read_recorded(text)


def test_value_for_a_pod_depends_on_who_brings_the_profile() -> None:
    assert localhost_value(Mechanism.SECCOMP, "web", Place.OPERATOR) == "operator/web.json"
    assert localhost_value(Mechanism.SECCOMP, "web", Place.FILE) == "profiles/web.json"
    assert localhost_value(Mechanism.APPARMOR, "k8s-web", Place.FILE) == "k8s-web"
    assert yaml.safe_load(security_context(Mechanism.APPARMOR, "k8s-web")) == {
        "securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "k8s-web"}}
    }


def test_diff_of_two_texts_is_unified() -> None:
    assert text_diff("a\nb\n", "a\nc\n")[2:] == ("@@ -1,2 +1,2 @@", " a", "-b", "+c")


def test_very_long_text_is_not_compared() -> None:
    with pytest.raises(TooLongToCompare, match="5,001 lines"):
        text_diff("a\n", "a\n" * 5001)
