"""What is known of a cluster that decides which profile a container gets; never what a policy demands."""

from dataclasses import dataclass

NEWEST_KUBERNETES = (1, 36)
APPARMOR_FIELDS_SINCE = (1, 30)
SECCOMP_ANNOTATIONS_UNTIL = (1, 24)
CRI_O = "cri-o"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """The facts of one cluster. What is unknown is None, and makes an effective profile unknown, never good."""

    kubernetes: tuple[int, int] = NEWEST_KUBERNETES
    """Major and minor version."""
    seccomp_default: bool | None = False
    """The kubelets' setting of that name."""
    runtime: str = "containerd"
    """`containerd` or `cri-o`."""
    apparmor_nodes: bool | None = True
    """Whether the nodes' kernels have AppArmor."""

    @property
    def has_apparmor_fields(self) -> bool:
        """Before 1.30 the API server drops `appArmorProfile`."""
        return self.kubernetes >= APPARMOR_FIELDS_SINCE

    @property
    def reads_seccomp_annotations(self) -> bool:
        """Kubelets up to 1.24 read the alpha annotations of seccomp; later ones pass over them."""
        return self.kubernetes <= SECCOMP_ANNOTATIONS_UNTIL


TYPICAL = ClusterFacts()
"""Stands in where nothing is known of a cluster."""
