"""`make audit`: what is locked is hashed, and no known vulnerability is in it. Unknown is never taken for clean.

pip-audit asks an index for advisories and ends with success also where it was told nothing: so its report is counted.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt")
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
PATIENCE_SECONDS = 600

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==[^ ;\\]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit of one lock says."""

    code: int
    lines: tuple[str, ...]


def unhashed(lock: str) -> tuple[str, ...]:
    """Name what a lock file holds without a version or without a hash."""
    found = []
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        is_comment = entry.startswith("#")
        if not is_comment and not (_PIN.match(entry) and "--hash=sha256:" in entry):
            found.append(entry.split()[0])
    return tuple(found)


def judge(report: dict[str, Any]) -> Verdict:
    """Judge pip-audit's report: a package that it could not ask about makes the whole unknown."""
    packages = report["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    broken = [
        f"{each['name']} {each['version']}: {flaw['id']}"
        f" (mended in {', '.join(flaw['fix_versions']) or 'no version yet'})"
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    if broken:
        return Verdict(VULNERABLE, tuple(broken))
    if skipped or not packages:
        said = f"{len(skipped)} of {len(packages)} packages could not be asked about"
        return Verdict(
            UNKNOWN, (f"{said}: the index gives no advisories, or there is no way to it",)
        )
    return Verdict(CLEAN, (f"{len(packages)} packages without a known vulnerability",))


def audit(lock: Path) -> Verdict:
    """Ask pip-audit about one lock file."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--format", "json"]
    command += ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
        return judge(json.loads(said.stdout))
    except subprocess.TimeoutExpired:
        return Verdict(UNKNOWN, ("pip-audit did not end in time",))
    except (json.JSONDecodeError, KeyError):
        last = said.stderr.strip().splitlines()[-1:] or ["nothing"]
        return Verdict(UNKNOWN, (f"pip-audit gave no report; it said: {last[0]}",))


def main() -> int:
    """Audit both locks and print what is found; 1: vulnerable or unhashed, 3: unknown."""
    code = CLEAN
    for name in LOCKS:
        bare = unhashed((ROOT / name).read_text(encoding="utf-8"))
        verdict = audit(ROOT / name)
        if bare:
            verdict = Verdict(VULNERABLE, (*verdict.lines, f"not hashed: {', '.join(bare)}"))
        word = {CLEAN: "clean", VULNERABLE: "NOT CLEAN"}.get(verdict.code, "UNKNOWN")
        print(f"{name}: {word}")
        for line in verdict.lines:
            print(f"    {line}")
        code = VULNERABLE if VULNERABLE in (code, verdict.code) else max(code, verdict.code)
    return code


if __name__ == "__main__":
    sys.exit(main())
