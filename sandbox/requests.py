"""A write that the API server asks its policies and webhooks about."""

from dataclasses import dataclass

from policies.domain.library import VariantSpec
from policies.domain.library.shapes import reads_annotations
from sandbox import apparmor
from sandbox.pods import pod_holder, pod_spec
from sandbox.store import Manifest


@dataclass(frozen=True, slots=True)
class Request:
    operation: str
    manifest: Manifest
    old: Manifest | None = None
    subresource: str = ""

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"].get("name", ""))

    @property
    def resource(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"

    def changes(self, spec: VariantSpec) -> bool:
        """Say whether it may change what this variant judges."""
        if self.old is None or pod_spec(self.manifest) != pod_spec(self.old):
            return True
        if not reads_annotations(spec):
            return False
        new, old = (apparmor.annotations_of(pod_holder(each)) for each in (self.manifest, self.old))
        return new != old
