"""Asks `apparmor_parser` about a text, where it is installed. Nothing is loaded into a kernel and nothing is kept.

The text comes from users: no include leaves the parser's folder, the process has no rights, no environment, and
little time, memory and room for output.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from policies.domain.profiles.apparmor import (
    ABSENT,
    ParserAnswer,
    ParserOutcome,
    outside_includes,
)
from policies.domain.profiles.apparmor_text import MAX_BYTES

WAIT_SECONDS = 2
MEMORY_BYTES = 256 * 1024 * 1024
OUTPUT_BYTES = 64 * 1024
NOBODY = 65534

_PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
_COMPILE = ("-Q", "-K")
_NAMES = ("-N",)
_NOISE = re.compile(r"^(?:Cache read/write disabled|Warning from )[^\n]*\n?", re.MULTILINE)
_STOPPED = re.compile(
    r"memory|bad_alloc|prlimit:|failed to map|loading shared libraries", re.IGNORECASE
)
_PLACE = re.compile(r"AppArmor parser error(?: for \S+)?(?: in \S+)?(?: at line (\d+))?: *")


def ask_parser(text: str) -> ParserAnswer:
    """Compile a text and name its profiles; the answer is `absent` where there is no parser."""
    parser, limiter = _found("apparmor_parser"), _found("prlimit")
    if parser is None or limiter is None:
        return ABSENT
    version = _version(parser)
    if outside_includes(text) or len(text.encode()) > MAX_BYTES:
        return ParserAnswer(ParserOutcome.FAILED, "the text was not given to it", None, version)
    code, said = _run(limiter, parser, _COMPILE, text)
    if code is None or code < 0:
        return ParserAnswer(ParserOutcome.FAILED, said, None, version)
    if code and _STOPPED.search(said):
        return ParserAnswer(ParserOutcome.FAILED, "it ran out of memory", None, version)
    if code:
        message, line = _trouble(said)
        return ParserAnswer(ParserOutcome.REFUSED, message, line, version)
    code, said = _run(limiter, parser, _NAMES, text)
    names = tuple(name for name in said.splitlines() if name) if code == 0 else ()
    if not names:
        return ParserAnswer(ParserOutcome.REFUSED, "it finds no profile in the text", None, version)
    return ParserAnswer(ParserOutcome.ACCEPTED, "", None, version, names)


def _found(command: str) -> str | None:
    return shutil.which(command, path=_PLACES)


@lru_cache
def _version(parser: str) -> str:
    said = subprocess.run(
        [parser, "--version"], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    match = re.search(r"version (\S+)", said.stdout)
    return match[1] if match else ""


def _run(limiter: str, parser: str, options: tuple[str, ...], text: str) -> tuple[int | None, str]:
    """Run the parser in an empty folder; the exit code is None when it took too long."""
    limits = (
        f"--as={MEMORY_BYTES}",
        f"--cpu={WAIT_SECONDS}",
        f"--fsize={OUTPUT_BYTES}",
        "--core=0",
    )
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="secprof-apparmor-") as folder:
        said = Path(folder) / "said"
        with said.open("wb") as output:
            try:
                done = subprocess.run(
                    [limiter, *limits, parser, *options],
                    input=text.encode(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={},
                    user=NOBODY if is_root else None,
                    group=NOBODY if is_root else None,
                    extra_groups=[] if is_root else None,
                    timeout=WAIT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return None, f"it took longer than {WAIT_SECONDS} seconds"
        if done.returncode < 0:
            return done.returncode, _killed(-done.returncode)
        return done.returncode, _NOISE.sub("", said.read_text(errors="replace"))


def _killed(number: int) -> str:
    if number == signal.SIGXCPU:
        return f"it took longer than {WAIT_SECONDS} seconds"
    if number == signal.SIGXFSZ:
        return "it said too much"
    return f"it was ended by {signal.Signals(number).name}"


def _trouble(said: str) -> tuple[str, int | None]:
    """Shorten what the parser said to its first sentence, and find the line that it names."""
    match = _PLACE.search(said)
    rest = said[match.end() :] if match else said
    message = " ".join(rest.split("\n")[0].split()).rstrip(".")
    line = int(match[1]) if match and match[1] else None
    return message[:300] or "it gave no reason", line
