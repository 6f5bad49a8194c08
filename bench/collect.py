"""What a collection costs, beside listing and decoding alone: `make bench-collect N=20000`.

On a real API server (etcd holds the objects; Go is needed once to build it), else on the bench's own. Each measurement
is a process of its own, so that its peak memory is its own; the floor is taken before and after, and the better counts.
The last line is JSON.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import urllib3

import controlplane
from bench import reports
from bench.api_server import ApiServer, serve
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.cluster.tls import tls_context
from policies.domain.objects import Pod, PolicyReport

ROOT = Path(__file__).resolve().parent.parent
NAME = "bench-collect"
PODS = "/api/v1/pods"
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/policyreports"
CHANGES_A_SECOND = 50
CATCH_UP_EVERY = 10.0
SEED = 20
WRITERS = 4


class Hand:
    """Writes to the API server as its administrator, over connections of its own."""

    def __init__(self, kubeconfig: str) -> None:
        connection = parse_kubeconfig(kubeconfig, allow_loopback=True)
        self.server = connection.server
        self.pool = urllib3.PoolManager(
            maxsize=WRITERS, ssl_context=tls_context(connection), retries=False
        )

    def send(self, method: str, path: str, body: Any, content: str = "application/json") -> Any:
        answer = self.pool.request(
            method,
            self.server + path,
            body=json.dumps(body),
            headers={"Content-Type": content},
            timeout=30,
        )
        if answer.status not in {200, 201, 409}:
            sys.exit(f"{method} {path}: HTTP {answer.status} {answer.data[:300]!r}")
        return json.loads(answer.data)


class Cluster:
    """Pods and reports on one API server, real or not."""

    def __init__(self, kubeconfig: str, own: ApiServer | None) -> None:
        self.kubeconfig = kubeconfig
        self.own = own
        self.uids: dict[int, str] = {}
        self.hand = Hand(kubeconfig)

    def fill(self, count: int) -> None:
        spaces = sorted({reports.namespace_of(number) for number in range(count)})
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(self._namespace, spaces))
            list(writers.map(self._make, range(count)))

    def change(self, number: int, turn: int) -> None:
        """Give one pod another image, and its report other outcomes."""
        said = reports.report(number, self.uids[number], int(time.time()), turn=turn)
        space, name = reports.namespace_of(number), f"web-{number:06}"
        image = f"registry.example/shop/app:2.{turn}"
        if self.own:
            pod = reports.pod(number)
            pod["metadata"]["uid"] = self.uids[number]
            pod["spec"]["containers"][0]["image"] = image
            self.own.put(PODS, pod)
            self.own.put(REPORTS, said)
            return
        patch = "application/json-patch+json"
        at = f"/api/v1/namespaces/{space}/pods/{name}"
        value = [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
        self.hand.send("PATCH", at, value, patch)
        at = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{space}/policyreports/{self.uids[number]}"
        value = [
            {"op": "replace", "path": f"/{key}", "value": said[key]}
            for key in ("results", "summary")
        ]
        self.hand.send("PATCH", at, value, patch)

    def _namespace(self, name: str) -> None:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if self.own:
            manifest["metadata"]["uid"] = name  # type: ignore[index]
            self.own.put("/api/v1/namespaces", manifest)
        else:
            self.hand.send("POST", "/api/v1/namespaces", manifest)

    def _make(self, number: int) -> None:
        space, pod = reports.namespace_of(number), reports.pod(number)
        if self.own:
            uid = self.uids[number] = f"00000000-0000-4000-8000-{number:012}"
            pod["metadata"]["uid"] = uid
            self.own.put(PODS, pod)
            self.own.put(REPORTS, reports.report(number, uid, int(time.time())))
            return
        made = self.hand.send("POST", f"/api/v1/namespaces/{space}/pods", pod)
        uid = self.uids[number] = made["metadata"]["uid"]
        said = reports.report(number, uid, int(time.time()))
        self.hand.send(
            "POST", f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{space}/policyreports", said
        )


@contextmanager
def cluster_of(*, own: bool) -> Iterator[Cluster]:
    """Bring a control plane up without Kyverno, or serve from memory; gone again afterwards."""
    reason = "asked for" if own else controlplane.available()
    if reason:
        print(f"The bench's own API server: {reason}.")
        api = ApiServer()
        with tempfile.TemporaryDirectory() as folder, serve(Path(folder), api) as kubeconfig:
            yield Cluster(kubeconfig, api)
        return
    plane = controlplane.up(NAME)
    try:
        # What is measured is the way from etcd to the database, and nobody else's work.
        for part in ("background", "reports", "kyverno", "controller-manager"):
            plane.stop(part)
        yield Cluster(plane.kubeconfig.read_text(), None)
    finally:
        plane.down()


def step(name: str, kubeconfig: Path, folder: Path, told: int | None = None) -> dict[str, Any]:
    """Run one measurement in a process of its own and read what it says."""
    environ = {
        **os.environ,
        "SECPROF_DEMO": "1",
        "SECPROF_STATE_DIR": str(folder),
        "SECPROF_ALLOW_LOOPBACK_CLUSTERS": "1",
        "SECPROF_LOG_LEVEL": "ERROR",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3",
        "DJANGO_SETTINGS_MODULE": "secprof_site.settings",
    }
    environ.pop("SECPROF_DEBUG", None)
    command = [
        sys.executable,
        "-m",
        "bench.collect",
        "--step",
        name,
        "--kubeconfig",
        str(kubeconfig),
    ]
    ended = subprocess.run(
        command, check=False, cwd=ROOT, env=environ, stdin=told, capture_output=True, text=True
    )
    if ended.returncode:
        sys.exit(f"{name} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


class _ListMeta(msgspec.Struct, rename="camel"):
    following: str = msgspec.field(name="continue", default="")


class _Reports(msgspec.Struct):
    metadata: _ListMeta
    items: list[PolicyReport]


class _Pods(msgspec.Struct):
    metadata: _ListMeta
    items: list[Pod]


def floor(kubeconfig: str) -> dict[str, Any]:
    """List every pod and report in pages, compressed, and decode them: what nobody can do without."""
    connection = parse_kubeconfig(kubeconfig, allow_loopback=True)
    pool = urllib3.PoolManager(ssl_context=tls_context(connection), retries=False)
    began = time.perf_counter()
    count = 0
    for path, decoder in (
        (REPORTS, msgspec.json.Decoder(_Reports)),
        (PODS, msgspec.json.Decoder(_Pods)),
    ):
        following = ""
        while True:
            fields = {"limit": "500", **({"continue": following} if following else {})}
            answer = pool.request(
                "GET", connection.server + path, fields=fields, headers={"Accept-Encoding": "gzip"}
            )
            page: Any = decoder.decode(answer.data)
            count += len(page.items)
            following = page.metadata.following
            if not following:
                break
    return {"seconds": time.perf_counter() - began, "objects": count, "peak_mb": _peak_mb()}


def collected(kubeconfig: str) -> dict[str, Any]:
    """Run one collection as a worker would: the first one lists, later ones catch up."""
    world = _World(kubeconfig)
    return world.run()


def followed(kubeconfig: str) -> dict[str, Any]:
    """Catch up every few seconds until told to end, and say how far behind the picture ever was."""
    world = _World(kubeconfig)
    ending = threading.Event()
    threading.Thread(target=_await_end, args=(ending,), daemon=True).start()
    behind, last_began, seconds = 0.0, time.monotonic(), []
    is_last = False
    while True:
        began = time.monotonic()
        said = world.run()
        behind = max(behind, time.monotonic() - last_began)
        last_began = began
        seconds.append(said["seconds"])
        if is_last:
            return {"behind": behind, "runs": len(seconds), "slowest": max(seconds), **said}
        is_last = ending.wait(max(0.0, CATCH_UP_EVERY - (time.monotonic() - began)))


def _await_end(ending: threading.Event) -> None:
    sys.stdin.read()
    ending.set()


class _World:
    """The product, with this cluster in its database."""

    def __init__(self, kubeconfig: str) -> None:
        import django

        django.setup()
        from django.core.management import call_command
        from django.utils import timezone

        from policies.actions import clusters
        from policies.domain.authority import SYSTEM
        from policies.models import Cluster as Row

        call_command("migrate", verbosity=0)
        self.by = SYSTEM
        row = Row.objects.filter(name=NAME).first()
        if row is None:
            row = clusters.add_cluster(
                name=NAME, kubeconfig=kubeconfig, context=None, by=SYSTEM, now=timezone.now()
            )
        self.row = row
        # A worker has everything loaded long before.
        from policies.actions.connections import connected

        with connected(row) as gateway:
            gateway.version()

    def run(self) -> dict[str, Any]:
        from django.utils import timezone

        from policies.actions import collection

        began = time.perf_counter()
        run = collection.keep_up(cluster_id=self.row.pk, by=self.by, now=timezone.now())
        if run.state != "complete":
            sys.exit(f"The run ended {run.state}: {run.error_message}")
        return {
            "seconds": time.perf_counter() - began,
            "mode": run.mode,
            "peak_mb": _peak_mb(),
            "requests": run.request_count,
            "mb": run.received_bytes / 1e6,
            "changes": sum(run.counts.values()),
        }


def recounted(kubeconfig: str) -> dict[str, Any]:
    """Compare what is stored with the raw reports."""
    world = _World(kubeconfig)
    from policies.actions.recount import recount

    found = recount(world.row)
    return {"results": found.results, "differences": found.differences[:10]}


STEPS = {"floor": floor, "collect": collected, "follow": followed, "recount": recounted}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(count: int, *, own: bool, follow_seconds: int) -> None:
    with cluster_of(own=own) as cluster, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig)
        began = time.monotonic()
        cluster.fill(count)
        print(f"{count} pods and reports made in {time.monotonic() - began:.0f} s")
        lists = [step("floor", kubeconfig, folder)]
        first = step("collect", kubeconfig, folder)
        lists.append(step("floor", kubeconfig, folder))
        lowest = min(said["seconds"] for said in lists)
        print(f"floor: {' and '.join(format(said['seconds'], '.2f') for said in lists)} s")
        _tell("first", first, lowest)
        _recount(kubeconfig, folder)
        chance = random.Random(SEED)
        for number in chance.sample(range(count), count // 100):
            cluster.change(number, 1)
        changed = step("collect", kubeconfig, folder)
        _tell("1 % changed", changed, first["seconds"])
        _recount(kubeconfig, folder)
        if follow_seconds:
            _follow(cluster, kubeconfig, folder, count, follow_seconds)
        print(
            json.dumps(
                {
                    "reports": count,
                    "results": count * reports.RESULTS,
                    "first_over_floor": round(first["seconds"] / lowest, 2),
                    "changed_over_first": round(changed["seconds"] / first["seconds"], 3),
                    "peak_mb": round(first["peak_mb"]),
                    "requests": first["requests"],
                    "mb": round(first["mb"], 1),
                    "server": "own" if cluster.own else "kube-apiserver",
                    "database": os.environ.get("DATABASE_URL", "sqlite").partition(":")[0],
                }
            )
        )


def _tell(what: str, said: dict[str, Any], beside: float) -> None:
    print(
        f"{what}: {said['seconds']:.2f} s ({said['seconds'] / beside:.3f}), {said['mode']},"
        f" {said['changes']} objects, {said['requests']} requests, {said['mb']:.1f} MB,"
        f" peak {said['peak_mb']:.0f} MB"
    )


def _recount(kubeconfig: Path, folder: Path) -> None:
    said = step("recount", kubeconfig, folder)
    print(f"recount: {said['results']} results, {len(said['differences'])} differences")
    if said["differences"]:
        sys.exit("\n".join(said["differences"]))


def _follow(
    cluster: Cluster, kubeconfig: Path, folder: Path, count: int, follow_seconds: int
) -> None:
    """Change things at a steady pace while a worker catches up beside it."""
    answers: list[dict[str, Any]] = []
    told, tell = os.pipe()
    follower = threading.Thread(
        target=lambda: answers.append(step("follow", kubeconfig, folder, told))
    )
    follower.start()
    chance = random.Random(SEED + 1)
    began = time.monotonic()
    for turn in range(follow_seconds * CHANGES_A_SECOND // 2):
        cluster.change(chance.randrange(count), turn + 2)
        ahead = began + (turn + 1) * 2 / CHANGES_A_SECOND - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    took = time.monotonic() - began
    os.close(tell)
    follower.join()
    (said,) = answers
    print(
        f"catch-up: {follow_seconds * CHANGES_A_SECOND} changes in {took:.0f} s, {said['runs']} runs every"
        f" {CATCH_UP_EVERY:.0f} s, the slowest {said['slowest']:.2f} s; at most {said['behind']:.1f} s behind"
    )
    _recount(kubeconfig, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--own", action="store_true", help="serve from memory, not from etcd")
    parser.add_argument("--follow", type=int, default=300, help="seconds of steady changes")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options.kubeconfig.read_text())))
    else:
        bench(options.reports, own=options.own, follow_seconds=options.follow)


if __name__ == "__main__":
    main()
