"""Judge every workload in some files by controls, and count the rest."""

from typing import cast

from policies.domain.controls import Control, Mechanism
from policies.domain.facts import ClusterFacts
from policies.domain.manifests.documents import read_documents
from policies.domain.manifests.kinds import list_kind, starts_pods, workload_kind
from policies.domain.manifests.records import (
    Misread,
    NotUnderstood,
    Object,
    Report,
    Row,
)
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import (
    Finding,
    Judgement,
    Result,
    UnreadablePodSpec,
    judge,
    proposed_profile,
)
from policies.domain.posture.proposals import fix_with

DEEPEST_LIST = 10
"""Lists within Lists."""
_NO_LIST = "It is not known which profiles are installed: name them in the parameters."
_NO_LOCALHOST = "No container has a Localhost profile."
_LEFT_OUT = "A pod for Windows, or one that the parameters leave out."

_Place = tuple[str, int, str, str, str]


class Checker:
    """Collects what is said of files, one after the other."""

    def __init__(
        self, parameters: Parameters, controls: tuple[Control, ...], facts: ClusterFacts
    ) -> None:
        self._parameters = parameters
        self._facts = facts
        self._proposals = {m: proposed_profile(m, parameters) for m in Mechanism}
        self.report = Report(controls, facts)

    def check(self, path: str, content: bytes) -> None:
        """Judge what one file holds."""
        self.report.tally.files += 1
        for number, found in read_documents(content):
            self.report.tally.documents += 1
            if isinstance(found, NotUnderstood):
                self._misread(path, number, found)
            elif found is not None:
                self._take(path, number, found, 0)

    def refuse(self, path: str, message: str) -> None:
        """Note a file that could not be read at all."""
        self.report.misread.append(Misread(path, 0, 0, message))

    def _misread(self, path: str, number: int, problem: NotUnderstood) -> None:
        self.report.misread.append(Misread(path, number, problem.line, problem.message))

    def _take(self, path: str, number: int, found: Object, depth: int) -> None:
        """Judge an object, or what a List holds; a problem of one object is not one of its neighbours."""
        try:
            singular = list_kind(found.kind)
            items = () if singular is None else found.items()
            if not items:
                self._object(path, number, found)
            elif depth >= DEEPEST_LIST:
                raise NotUnderstood("Lists are nested too deeply.", found.line_of(""))
            for item in items:
                item.kind = item.kind or singular or ""
                item.api_version = item.api_version or found.api_version
                self._take(path, number, item, depth + 1)
        except NotUnderstood as problem:
            self._misread(path, number, problem)

    def _object(self, path: str, number: int, found: Object) -> None:
        found.check()
        kind = workload_kind(found.api_version, found.kind)
        if kind is not None:
            self._judge(path, number, found, kind)
        elif not found.kind and isinstance(found.plain(), str):
            raise NotUnderstood("The document is a text, no object.", found.line_of(""))
        elif starts_pods(found.api_version, found.plain()):
            self._not_evaluated(path, number, found)
        else:
            self.report.tally.skipped += 1

    def _judge(self, path: str, number: int, found: Object, kind: WorkloadKind) -> None:
        workload = cast(Workload, found.decode(STRUCT_BY_KIND[kind]))
        try:
            judgement = judge(kind, workload, parameters=self._parameters, facts=self._facts)
        except UnreadablePodSpec as error:
            raise NotUnderstood(str(error), found.line_of(error.path)) from None
        self.report.tally.workloads += 1
        meta = workload.metadata
        place = (path, number, kind.value, meta.namespace, meta.name or meta.generate_name)
        for control, result in judgement.results:
            if control not in self.report.results:
                continue
            self.report.results[control][result] += 1
            if result is Result.FAIL:
                for finding in judgement.findings:
                    if finding.control is control:
                        self._fail(place, finding, found)
            elif result is Result.PASS:
                self.report.rows.append(Row(*place, control, result))
            else:
                self._unjudged(place, control, result, _why(result, judgement), found)

    def _fail(self, place: _Place, finding: Finding, found: Object) -> None:
        fix = fix_with(self._proposals[finding.mechanism], finding, self._facts)
        row = Row(
            *place,
            finding.control,
            Result.FAIL,
            finding.container,
            finding.path,
            finding.message,
            fix,
        )
        self._add(row, found.line_of(finding.path))

    def _unjudged(
        self, place: _Place, control: Control, result: Result, message: str, found: Object
    ) -> None:
        self._add(Row(*place, control, result, message=message), found.line_of(""))

    def _not_evaluated(self, path: str, number: int, found: Object) -> None:
        self.report.tally.not_evaluated += 1
        name = _name_of(found)
        message = f"The pods of a {found.kind} are not evaluated here: check those that it creates."
        for control in self.report.controls:
            self.report.results[control][Result.UNKNOWN] += 1
            place = (path, number, found.kind, *name)
            self._unjudged(place, control, Result.UNKNOWN, message, found)

    def _add(self, row: Row, line: int) -> None:
        self.report.lines[len(self.report.rows)] = line
        self.report.rows.append(row)


def _why(result: Result, judgement: Judgement) -> str:
    if result is Result.UNKNOWN:
        return _NO_LIST
    return _NO_LOCALHOST if judgement.applicable else _LEFT_OUT


def _name_of(found: Object) -> tuple[str, str]:
    metadata = found.plain().get("metadata")
    if not isinstance(metadata, dict):
        return "", ""
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
