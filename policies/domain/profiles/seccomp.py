"""Checks the text of a seccomp profile: valid by OCI, portable over runtimes, and usable."""

from policies.domain.controls import Mechanism
from policies.domain.profiles.findings import (
    Answer,
    Check,
    Finding,
    Question,
    Severity,
    Verdict,
    in_order,
    worst,
)
from policies.domain.profiles.json_text import MalformedJson, read_json
from policies.domain.profiles.seccomp_lint import lint_findings
from policies.domain.profiles.seccomp_oci import oci_findings
from policies.domain.profiles.seccomp_portable import portable_findings
from policies.domain.profiles.seccomp_rules import as_profile

_NOT_JSON = "Nobody can say before the text is JSON."
_NOT_VALID = "Nobody can say before it is valid."

_SENTENCES = {
    (Question.VALID, Answer.YES): "A seccomp profile by the OCI runtime specification.",
    (Question.VALID, Answer.NO): "No seccomp profile by the OCI runtime specification.",
    (Question.PORTABLE, Answer.YES): "containerd and CRI-O read it alike.",
    (
        Question.PORTABLE,
        Answer.DOUBTFUL,
    ): "containerd and CRI-O read it alike, but not on every node.",
    (Question.PORTABLE, Answer.NO): "A runtime refuses it, or reads something else in it.",
    (
        Question.USABLE,
        Answer.YES,
    ): "Nothing speaks against it; only a run of the program proves it.",
    (Question.USABLE, Answer.DOUBTFUL): "It may work; read the warnings first.",
    (Question.USABLE, Answer.NO): "Do not use it as it is.",
}


def check_seccomp(text: str) -> Check:
    """Check a seccomp profile as a node would read it; never raises for what somebody typed."""
    try:
        document = read_json(text)
    except MalformedJson as error:
        return _not_json(error)
    profile = as_profile(document) if isinstance(document.value, dict) else None
    findings = in_order(
        (
            *oci_findings(document),
            *(portable_findings(profile) if profile else ()),
            *(lint_findings(profile) if profile else ()),
        )
    )
    verdicts = tuple(
        _verdict(question, findings)
        for question in (Question.VALID, Question.PORTABLE, Question.USABLE)
    )
    return Check(Mechanism.SECCOMP, verdicts, findings)


def _verdict(question: Question, findings: tuple[Finding, ...]) -> Verdict:
    severity = worst(findings, question)
    if severity is Severity.ERROR:
        answer = Answer.NO
    elif worst(findings, Question.VALID) is Severity.ERROR:
        return Verdict(question, Answer.UNKNOWN, _NOT_VALID)
    elif severity is Severity.WARNING and question is not Question.VALID:
        answer = Answer.DOUBTFUL
    else:
        answer = Answer.YES
    return Verdict(question, answer, _SENTENCES[question, answer])


def _not_json(error: MalformedJson) -> Check:
    finding = Finding(
        "not-json",
        Question.VALID,
        Severity.ERROR,
        str(error),
        "Mend the text at this place.",
        f"column {error.column}",
        error.line,
    )
    verdicts = (
        Verdict(Question.VALID, Answer.NO, "The text is not JSON."),
        Verdict(Question.PORTABLE, Answer.UNKNOWN, _NOT_JSON),
        Verdict(Question.USABLE, Answer.UNKNOWN, _NOT_JSON),
    )
    return Check(Mechanism.SECCOMP, verdicts, (finding,))
