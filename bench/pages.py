"""How long every page takes, on fleets of several sizes: `make bench-pages`.

One fleet a size (`bench.fleet`): 100 clusters and 5,000 namespaces in each, with 10,000, 100,000 and 1,000,000 reported
results. The sizes are asked in turns, page by page, so that a machine that is busy for a while is busy for all of them.
With SQLite the time is that of the processor in the server's process, with PostgreSQL that of the clock on the wall.
A page that answers wrongly, or cannot be asked, ends the run with its name. The last line is JSON.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).parent.parent
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
MOST_MS = 50.0
MOST_GROWTH = 1.5
A_YEAR = str(365 * 86400)

Answer = dict[str, Any]


def main() -> None:
    options = _options()
    with _folder(options.keep) as folder:
        environ = _environ(folder)
        _run(environ, "collectstatic", "--noinput", "--verbosity", "0")
        sizes = {size: _Size(size, options, folder, environ) for size in options.sizes}
        try:
            found, troubles = _ask(sizes, options.only)
        finally:
            for size in sizes.values():
                size.close()
    if troubles:
        sys.exit("\n".join(troubles))
    _print_table(found, options.sizes)
    print(json.dumps({"pages": found}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=list(SIZES), help="10k,100k,1M")
    parser.add_argument("--times", type=int, default=20, help="how often each page is asked")
    parser.add_argument("--as", dest="role", choices=("admin", "owner"), default="admin")
    parser.add_argument("--only", help="names of pages, separated by commas")
    parser.add_argument("--keep", type=Path, help="a folder where the databases stay")
    return parser.parse_args()


def _sizes(text: str) -> list[str]:
    sizes = text.split(",")
    if unknown := set(sizes) - SIZES.keys():
        raise argparse.ArgumentTypeError(f"no such size: {', '.join(sorted(unknown))}")
    return sizes


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def _environ(folder: Path) -> dict[str, str]:
    """Run as in production, but for what needs a network; and no evidence gets old while the bench runs."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "secprof_site.settings",
        "SECPROF_DEMO": "1",
        "SECPROF_DEBUG": "0",
        "SECPROF_STATE_DIR": str(folder),
        "SECPROF_STATIC_ROOT": str(folder / "static"),
        "SECPROF_ALLOWED_HOSTS": "testserver",
        "SECPROF_LOG_LEVEL": "CRITICAL",
        "SECPROF_STALE_AFTER_SECONDS": A_YEAR,
        "SECPROF_REHEARSAL_VALID_SECONDS": A_YEAR,
        "REDIS_URL": "memory://",
    }


def _run(environ: Mapping[str, str], *words: str) -> None:
    subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=environ, check=True)


class _Size:
    """The process that holds one fleet."""

    def __init__(
        self, name: str, options: argparse.Namespace, folder: Path, environ: Mapping[str, str]
    ) -> None:
        place = folder / name
        place.mkdir(exist_ok=True)
        words = [str(SIZES[name]), str(options.times), options.role, str(place)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.asking", *words],
            cwd=ROOT,
            env={**environ, "DATABASE_URL": _database(place, name)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun = self._answer()
        self.pages: list[str] = begun["pages"]
        print(f"{name}: fleet built in {begun['seconds']:.0f} s", flush=True)

    def ask(self, page: str) -> Answer:
        print(page, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Answer:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            sys.exit("A fleet's process has ended; what it said stands above.")
        answer: Answer = json.loads(line)
        return answer

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def _database(place: Path, name: str) -> str:
    """Name a database of its own: a file, or one more on the server that DATABASE_URL names."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        return f"sqlite:///{place / 'fleet.sqlite3'}"
    import psycopg

    wanted = f"secprof_bench_{name.lower()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {wanted}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{wanted}"))


def _ask(sizes: Mapping[str, _Size], only: str | None) -> tuple[dict[str, Answer], list[str]]:
    pages = next(iter(sizes.values())).pages
    wanted = only.split(",") if only else pages
    troubles = [f"{page}: there is no such page" for page in wanted if page not in pages]
    found: dict[str, Answer] = {}
    for page in (page for page in pages if page in wanted):
        answers = {name: size.ask(page) for name, size in sizes.items()}
        said = [f"{page} at {n}: {a['trouble']}" for n, a in answers.items() if "trouble" in a]
        troubles += said
        if not said and all(answers.values()):
            found[page] = answers
    return found, troubles


def _print_table(found: Mapping[str, Answer], sizes: list[str]) -> None:
    print(f"\n{_machine()}\n")
    heads = " | ".join(f"{size} p50 / p95" for size in sizes)
    print(f"| page | {heads} | growth of p95 | queries | |")
    print(f"|---|{'---:|' * len(sizes)}---:|---:|---|")
    for page, answers in found.items():
        times = " | ".join(
            f"{answers[s]['p50_ms']:.1f} / {answers[s]['p95_ms']:.1f}" for s in sizes
        )
        queries = sorted({answers[s]["queries"] for s in sizes})
        growth = answers[sizes[-1]]["p95_ms"] / answers[sizes[0]]["p95_ms"]
        words = "; ".join(_short_of(answers[sizes[-1]]["p95_ms"], growth, len(queries)))
        counts = " to ".join(str(count) for count in dict.fromkeys((queries[0], queries[-1])))
        print(f"| {page} | {times} | {growth:.2f} | {counts} | {words} |")


def _short_of(p95_ms: float, growth: float, counts: int) -> Iterator[str]:
    if p95_ms > MOST_MS:
        yield f"over {MOST_MS:.0f} ms"
    if growth > MOST_GROWTH:
        yield "grows"
    if counts > 1:
        yield "queries grow"


def _machine() -> str:
    database = f"SQLite {sqlite3.sqlite_version} (processor time)"
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        database = "PostgreSQL (wall clock)"
    return (
        f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()},"
        f" {database}, load {os.getloadavg()[0]:.1f}; milliseconds of server time"
    )


if __name__ == "__main__":
    main()
