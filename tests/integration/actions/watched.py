"""A sandbox gateway that counts real writes and lets a test step in before and after each call."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from policies.cluster.gateway import Answer, Manifest, Page, Resource, ServerVersion, Write
from sandbox.gateway import SandboxGateway


def _nothing(_call: str, _what: str) -> None:
    """Step in nowhere."""


@dataclass
class Hand:
    """What a test does to the calls of every gateway that is opened, and what it has seen."""

    writes: list[tuple[str, str]] = field(default_factory=list)
    """Verb and name of what the server carried out."""
    before: Callable[[str, str], None] = _nothing
    """Takes the call (`version`, `page`, `get`, `ask`, `try`, `write`) and what it is about."""
    after: Callable[[str, str], None] = _nothing
    spoil: Callable[[Resource, bytes], bytes] = lambda _, item: item
    page_size: int = 500

    def free(self) -> None:
        self.before = self.after = _nothing


class WatchedGateway(SandboxGateway):
    """Never used before a test has set its hand."""

    hand: ClassVar[Hand]

    def version(self) -> ServerVersion:
        return self._call("version", "", super().version)

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        fields: str = "",
        limit: int = 0,
        at: str = "",
    ) -> Iterator[Page]:
        what = f"{resource.plural}/{resource.version}"
        self.hand.before("page", what)
        size = self.hand.page_size
        for page in super().pages(resource, namespace=namespace, fields=fields, limit=size):
            self.hand.after("page", what)
            items = tuple(self.hand.spoil(resource, item) for item in page.items)
            yield Page(items, page.resource_version, page.last)
            self.hand.before("page", what)

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Manifest:
        return self._call(
            "get", name, lambda: SandboxGateway.get(self, resource, name, namespace=namespace)
        )

    def dry_run_pod(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        ask = super().dry_run_pod
        return self._call("ask", namespace, lambda: ask(namespace, pod))

    def write(self, change: Write, *, dry_run: bool) -> Answer:
        def carry_out() -> Answer:
            answer = SandboxGateway.write(self, change, dry_run=dry_run)
            if not dry_run:
                self.hand.writes.append((change.verb.value, change.name))
            return answer

        return self._call("try" if dry_run else "write", change.name, carry_out)

    def _call(self, call: str, what: str, carry_out: Callable[[], Any]) -> Any:
        self.hand.before(call, what)
        answer = carry_out()
        self.hand.after(call, what)
        return answer
