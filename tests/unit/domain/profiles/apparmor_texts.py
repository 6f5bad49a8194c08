"""Texts of AppArmor profiles for tests, and whether a parser of AppArmor 3 takes each. Data only."""

SELF_CANCELLING = """\
#include <tunables/global>

profile k8s-web-app flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  # Allow network access
  network inet tcp,
  network inet udp,

  # Allow specific file paths
  /app/** r,
  /tmp/** rw,
  /var/log/** w,

  # Deny everything else
  deny /** w,
}
"""

SOUND = """\
abi <abi/3.0>,
#include <tunables/global>

profile web flags=(attach_disconnected, mediate_deleted) {
  #include <abstractions/base>
  capability net_bind_service,
  network inet tcp, # for its port
  signal (receive) peer=unconfined,
  /app/bin/* ix,
  /app/** r,
  owner "/tmp/with space/**" rwk,
  /srv/{a,b}/[0-9]*.txt r,
  deny /app/secret/** r,
}
"""


def profile(*rules: str, head: str = "profile web") -> str:
    """Write a profile with these lines inside."""
    return "\n".join([f"{head} {{", *(f"  {rule}" for rule in rules), "}", ""])


ACCEPTED = (
    SELF_CANCELLING,
    SOUND,
    profile(),
    profile("/x r,"),
    profile("/x r, # a, b", "/y r,"),
    profile("rw /x,", "file /y r,", "file,"),
    profile("deny owner /x w,", "audit deny /z wx,", "allow /q r,"),
    profile("capability chown kill,", "deny capability sys_admin,"),
    profile("^hat {", "/x r,", "}", "profile c {", "/x r,", "}"),
    profile("/x Pix,", "/y cux,", "/z PUx -> other,"),
    profile("link /a -> /b,", "set rlimit nofile <= 10,", "change_profile -> b,"),
    profile('dbus send bus=session peer=(name=org.x, label="a,b"),'),
    profile("mount options=(ro, bind)", "  /a -> /b,"),
    profile('"/{a, b}" r,', "/x\\,y r,", "/a\\ b r,", "/a/[a-c{]x r,"),
    profile("/x r,", head="profile web flags=(complain attach_disconnected)"),
    profile("/x r,", head='profile "a b" /usr/bin/x'),
    profile("/x r,", head="/usr/bin/x (complain)"),
    profile("/x r,", head=":ns:a"),
    profile("/x r,", head="profile web xattrs=(user.x=y) flags=(kill)"),
    "@{X}=/a /b\n" + profile("@{X}/y r,"),
    "$a=true\n" + profile("if $a {", "/x r,", "} else {", "/y r,", "}"),
    "alias /a -> /b,\n" + profile("/x/{,y}r r,"),
    profile("/x r,", head="profile a") + profile("/x r,", head="profile b"),
    "# first\n" + profile("/x r,") + "# last\n",
)

REFUSED = (
    profile("/x r", "/y r,"),
    profile("/x r"),
    profile("/x rz,"),
    profile("/x wa,"),
    profile("/x rwx,"),
    profile("deny /x ix,"),
    profile("/x {a,b} r,"),
    profile("tmp/x r,"),
    profile("/x r,,"),
    profile("/x,"),
    profile("audit deny,"),
    profile("capability foo,"),
    profile("capability CAP_CHOWN,"),
    profile("@{X}/y r,"),
    profile("frobnicate,"),
    profile('"/x r,'),
    profile("/x r,") + "}\n",
    profile("/x r,") + "# last",
    profile("/x r,") + profile("/y r,"),
    profile("/x r,").removesuffix("}\n"),
    "/x r,\n",
    "profile {\n}\n",
    "web {\n}\n",
)

NEWER = (
    profile("userns,"),
    profile("io_uring,"),
    profile("mqueue r /x,"),
    profile("all,"),
    profile("priority=5 /x r,"),
    "abi <abi/4.0>,\n" + profile("/x r,"),
)
