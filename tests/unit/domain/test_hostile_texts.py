"""Every parser on texts that were made to hurt it: YAML and JSON bombs, depth, and what makes expressions slow.

Each ends soon, with a result or with an error of its own; nothing else may come out.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from policies.cluster.kubeconfig import InvalidKubeconfig, parse_kubeconfig
from policies.domain.controls import Mechanism
from policies.domain.lint import UNKNOWN
from policies.domain.lint.documents import read_documents
from policies.domain.manifests.documents import read_documents as read_manifests
from policies.domain.profiles import check_profile
from policies.domain.profiles.operator_objects import NotImportable, read_recorded
from policies.domain.profiles.recording import InvalidRecording, read_labels
from policies.domain.selectors import InvalidSelector, parse_selector
from policies.web.presenters.policies import linted_text

SIZE = 60_000
PATIENCE_SECONDS = 5.0

POLICY = """apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: x}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    preconditions: {all: [{key: "%s", operator: Equals, value: x}]}
    validate: {message: "%s", deny: {conditions: {any: [{key: "%s", operator: In, value: [y]}]}}}
"""
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
UNITS = (
    " ",
    "{{",
    "}}",
    "{{ ",
    "a",
    "0",
    ".",
    "-",
    "/",
    "|| ",
    "'",
    "(",
    "[",
    "a,",
    "a=b,",
    "*",
    "{a,b}",
    "@{x}",
)
TEXTS = {
    "aliases": ALIASES,
    "merge": "a: &a {b: c}\n" + "d: {<<: *a}\n" * 200,
    "lists": "[" * SIZE,
    "maps": "{a: " * (SIZE // 4),
    "json lists": '{"a":' + "[" * SIZE,
    "json maps": '{"a":' * (SIZE // 5),
    "dashes": "- " * (SIZE // 2),
    "questions": "? " * (SIZE // 2),
    "documents": "---\n" * (SIZE // 4),
    "objects": "!!python/object/apply:os.system ['true']",
    "binary": "a: !!binary " + "A" * SIZE,
    "number": "a: " + "9" * SIZE,
    "hexadecimal": "a: 0x" + "f" * SIZE,
    "sexagesimal": "a: " + "1:" * (SIZE // 2) + "1",
    "date": "a: 99999-99-99",
    "float": "a: 1e999999999",
    "surrogate": '{"a": "\\ud800"}',
    "nul": "a\x00b",
    "long key": "k" * SIZE + ": 1",
    "blocks": "profile x {" * (SIZE // 11),
    "alternations": "profile x { /" + "{a,b}" * (SIZE // 5) + " r, }",
    "quotes": 'profile x { "' * (SIZE // 13),
    "syscalls": '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":' + "[" * SIZE,
    **{
        f"policy with {u!r}": POLICY % ((_ := (u * (SIZE // len(u))).replace('"', "")), _, _)
        for u in UNITS
    },
    **{f"profile with {u!r}": f"profile x {{ {u * (SIZE // len(u))} }}" for u in UNITS},
    **{f"plain {u!r}": u * (SIZE // len(u)) for u in UNITS},
}


def _manifests(text: str) -> object:
    return list(read_manifests(text.encode(errors="replace")))


PARSERS: dict[str, Callable[[str], Any]] = {
    "kubeconfig": parse_kubeconfig,
    "policies": read_documents,
    "lint": lambda text: linted_text(text, UNKNOWN, cluster_id=None),
    "manifests": _manifests,
    "seccomp": lambda text: check_profile(Mechanism.SECCOMP, text),
    "apparmor": lambda text: check_profile(Mechanism.APPARMOR, text),
    "recorded": read_recorded,
    "labels": read_labels,
    "selector": parse_selector,
}
REFUSALS = (InvalidKubeconfig, NotImportable, InvalidRecording, InvalidSelector)


@pytest.mark.parametrize("parser", PARSERS)
def test_parser_ends_soon_on_every_hostile_text(parser: str) -> None:
    parse = PARSERS[parser]
    for name, text in TEXTS.items():
        began = time.process_time()
        with contextlib.suppress(*REFUSALS):
            parse(text)
        seconds = time.process_time() - began
        assert seconds < PATIENCE_SECONDS, (name, seconds)
