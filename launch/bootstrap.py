"""Create or refresh the virtual environment from the hash-locked requirements. Runs on a bare Python.

A stamp holds the digest of the locks that were installed last; while it fits, nothing is done.
"""

import argparse
import fcntl
import hashlib
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
RUN_LOCK = "requirements.txt"
DEVELOPMENT_LOCK = "requirements-dev.txt"


class BootstrapFailed(Exception):
    """The environment cannot be made here; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.bootstrap", description=__doc__)
    parser.add_argument("--dev", action="store_true", help="install what tests and checks need")
    options = parser.parse_args(arguments)
    locks = (RUN_LOCK, DEVELOPMENT_LOCK) if options.dev else (RUN_LOCK,)
    try:
        refresh(ROOT / ".venv", tuple(ROOT / name for name in locks))
    except BootstrapFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def refresh(environment: Path, locks: tuple[Path, ...]) -> bool:
    """Install the locks unless they are installed; say whether anything was done.

    Raises:
        BootstrapFailed: Python is too old, `venv` is not usable, or pip failed.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise BootstrapFailed(
            f"secprof needs Python 3.11 or newer; {sys.executable} is"
            f" {sys.version_info.major}.{sys.version_info.minor}. Choose another: make PYTHON=python3.11 …"
        )
    environment.mkdir(parents=True, exist_ok=True)
    with (environment / ".secprof-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        python = environment / "bin" / "python"
        wanted = {lock: digest(lock) for lock in locks}
        if _works(python) and all(_stamp(environment, lock) == wanted[lock] for lock in locks):
            return False
        if not _works(python):
            _create(environment)
        _install(python, locks)
        for lock, stamp in wanted.items():
            _stamp_path(environment, lock).write_text(stamp, encoding="ascii")
        return True


def digest(lock: Path) -> str:
    """Digest of a lock file, in hexadecimal."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _stamp_path(environment: Path, lock: Path) -> Path:
    return environment / f".secprof-{lock.stem}"


def _stamp(environment: Path, lock: Path) -> str:
    path = _stamp_path(environment, lock)
    return path.read_text(encoding="ascii") if path.exists() else ""


def _works(python: Path) -> bool:
    """Say whether this interpreter starts and has pip: a moved or half-made environment does not."""
    if not python.exists():
        return False
    probe = [str(python), "-c", "import pip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _create(environment: Path) -> None:
    print(f"Creating {environment.name} …", flush=True)
    for stamp in environment.glob(".secprof-require*"):
        stamp.unlink()
    command = [sys.executable, "-m", "venv", str(environment)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BootstrapFailed(
            f"python -m venv failed:\n{result.stdout}{result.stderr}\n"
            "On Debian and Ubuntu: apt-get install python3-venv"
        )


def _install(python: Path, locks: tuple[Path, ...]) -> None:
    print(f"Installing {', '.join(lock.name for lock in locks)} …", flush=True)
    started = time.monotonic()
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Byte code is written when a module is first imported; compiling everything takes longer than installing it.
    command += ["--no-compile", "--require-hashes"]
    for lock in locks:
        command += ["--requirement", str(lock)]
    if subprocess.run(command, check=False).returncode:
        raise BootstrapFailed("pip could not install the requirements; its own words are above.")
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
