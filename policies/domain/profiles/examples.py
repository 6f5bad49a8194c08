"""Small profiles that look right and are not, to show in the editor what the checks say."""

from policies.domain.controls import Mechanism

_FIVE_CALLS = """\
{
  "defaultAction": "SCMP_ACT_ERRNO",
  "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [
    {
      "names": ["read", "write", "open", "close", "stat"],
      "action": "SCMP_ACT_ALLOW"
    }
  ]
}
"""

_SELF_CANCELLING = """\
#include <tunables/global>

profile example-shop flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network inet tcp,
  /srv/shop/** r,
  /var/cache/shop/** rw,
  /var/log/shop.log w,

  deny /** w,
}
"""

EXAMPLES = {Mechanism.SECCOMP: _FIVE_CALLS, Mechanism.APPARMOR: _SELF_CANCELLING}
