#!/usr/bin/env python3
"""Asks a real Prometheus every query of the dashboards and alerts, and says which find nothing.

  tests/dashboards/run.py --bin BIN [--operator] [--prometheus PROGRAM]
  tests/dashboards/run.py --url http://PROMETHEUS --cluster NAMESPACE/NAME... [--minutes 15]

With programs: Prometheus scrapes daemons every second, under the labels that Kubernetes would give,
while graphs run that succeed, fail, grow, join and move values, in both modes. The daemons are those
of a data centre that fractosctl keeps up, and what only the operator has is counted apart, as left
out; with --operator they are those of a cluster without nodes (nodeless.py), and nothing is. That
takes the programs of `make kube-tools`; exits 2 without them. With a URL: that Prometheus is asked
for the last minutes; runs of both modes, some of which failed, must be among what it has seen.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import check
import nodeless
import yaml

DEVICES = ["math", "storage", "echo"]
CLUSTERS = [f"default/{name}" for name in DEVICES]
SECONDS = 12  # of runs
LOGGED = re.compile(r"\bhttp address=\"([^\"]+)\"")

BUSY = yaml.safe_load("""
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: busy}
spec:
  steps:
  - {name: grown, device: math, operation: power, arguments: {base: 3, exponent: 6}}
  - {name: copied, device: echo, operation: identity, inputs: {data: grown}}
  - {name: joined, device: math, operation: add, inputs: {a: copied, b: grown}}
""")
# Distributed only: an operator serves no Memory, so it cannot send a large value on.
LARGE = yaml.safe_load("""
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: large}
spec:
  steps:
  - {name: large, device: echo, operation: generate, arguments: {size: 200000}}
  - {name: kept, device: storage, operation: put, inputs: {data: large}, arguments: {key: large}}
""")
FAILING = yaml.safe_load("""
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: failing}
spec:
  steps:
  - {name: divided, device: math, operation: divide, arguments: {a: 1, b: 0}}
  onFailure:
  - {name: note, device: echo, operation: copy, arguments: {text: $(failure.reason)}}
""")


def debians_prometheus():
    """That of PATH, else out of Debian's package, which is not installed, for it would start a
    server."""
    found = shutil.which("prometheus")
    if found:
        return found
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    path = cache / "fractos" / "bin" / "prometheus"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                "apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb .",
                shell=True, check=True, cwd=folder,
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(f"{folder}/usr/bin/prometheus", path)
    return str(path)


def until(what, condition, seconds=30):
    """What `condition` gives as soon as it gives anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            found = condition()
            if found:
                return found
        time.sleep(0.1)  # other processes give no event to wait for
    sys.exit(f"dashboards: {what}: not within {seconds} s")


class Centre:
    """A data centre that fractosctl keeps up in a folder of its own, until the end of `with`."""

    with_operator = False

    def __init__(self, folder, programs):
        self.folder = pathlib.Path(folder)
        self.program = str(programs / "fractosctl")
        self.environment = {
            **os.environ,
            "FRACTOS_HOME": f"{folder}/home",
            "XDG_RUNTIME_DIR": folder,
            "FRACTOS_HTTP_ADDRESS": "127.0.0.1:0",
        }

    def __enter__(self):
        self._ctl(0, "up")
        return self

    def __exit__(self, *_):
        self._ctl(0, "down")

    def targets(self):
        """What Prometheus scrapes: (job, pod, address). An address is in its daemon's log."""

        def found():
            logs = {path.stem: path.read_text() for path in self.folder.rglob("*-[0-9].log")}
            all_of_them = {name: LOGGED.search(log) for name, log in logs.items()}
            served = all(all_of_them.values()) and len(all_of_them) >= len(DEVICES)
            return served and [("daemon", name, at[1]) for name, at in all_of_them.items()]

        return until("the daemons serve /metrics", found)

    def run(self, graph, mode="Distributed", fails=False):
        """Runs a TaskGraph to the end that it should have."""
        file = self.folder / "graph.yaml"
        file.write_text(yaml.safe_dump(graph))
        self._ctl(1 if fails else 0, "run", "-q", str(file), "--mode", mode)

    def _ctl(self, code, *words):
        done = subprocess.run(
            [self.program, *words], env=self.environment, cwd=self.folder,
            capture_output=True, text=True,
        )
        if done.returncode != code:
            sys.exit(
                f"dashboards: fractosctl {' '.join(words)} ended with {done.returncode}, not "
                f"{code}: {done.stdout}{done.stderr}"
            )


def configuration(targets):
    """As docs/metrics.md has it for pods, with the labels that a pod's target gets."""
    jobs = [
        {
            "targets": [address],
            "labels": {"namespace": "default", "pod": pod, "container": job, "job": job},
        }
        for job, pod, address in targets
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "fractos", "static_configs": jobs}],
    }


@contextlib.contextmanager
def prometheus(program, folder, targets):
    """The URL of one that scrapes them, on a port that was free."""
    config = pathlib.Path(folder) / "prometheus.yaml"
    config.write_text(yaml.safe_dump(configuration(targets)))
    log = pathlib.Path(folder) / "prometheus.txt"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                program, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                "--web.listen-address=127.0.0.1:0", "--log.level=info",
            ],
            stdout=out, stderr=subprocess.STDOUT,
        )
    try:
        listening = re.compile(r"\"?Listening on\"? address=(127\.0\.0\.1:\d+)")
        found = until("prometheus listens", lambda: listening.search(log.read_text()))
        yield f"http://{found[1]}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def scraped_since(url, moment, count):
    """Whether each of `count` targets has answered a scrape since then."""
    answered = check.ask(url, "query", query=f"timestamp(up == 1) > {moment}")["result"]
    return len(answered) >= count


# promise: T-15
def observe(world, program, folder):
    """What check.check finds in a Prometheus that scrapes `world` while it is busy."""
    targets = list(world.targets())
    with prometheus(program, folder, targets) as url:
        begin = time.time()
        until("a first scrape", lambda: scraped_since(url, begin, len(targets)))
        while time.time() < begin + SECONDS:
            world.run(BUSY)
            world.run(BUSY, mode="Centralized")
            world.run(LARGE)
            world.run(FAILING, fails=True)
        end = time.time()
        until("a last scrape", lambda: scraped_since(url, end, len(targets)))
        span = begin, time.time()
        if check.has_data(url, "fractos_no_such_metric", span):
            sys.exit("dashboards: finds data where there is none")
        return check.check(url, span, CLUSTERS, world.with_operator)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, help="where fractosctl and its daemons are")
    parser.add_argument("--operator", action="store_true", help="run an operator, too")
    parser.add_argument("--prometheus", help="the program; Debian's if not given")
    parser.add_argument("--url", help="a Prometheus that is there")
    parser.add_argument("--cluster", nargs="+", help="DeviceClusters that it scrapes")
    parser.add_argument("--minutes", type=float, default=15, help="how far back to ask it")
    flags = parser.parse_args()
    if bool(flags.bin) == bool(flags.url) or bool(flags.url) != bool(flags.cluster):
        parser.error("either --bin, or --url and --cluster")
    if flags.url:
        now = time.time()
        good, bad, left_out = check.check(
            flags.url, (now - 60 * flags.minutes, now), flags.cluster, with_operator=True, rate="2m"
        )
    else:
        program = flags.prometheus or debians_prometheus()
        programs = flags.bin.resolve()
        if flags.operator:
            nodeless.enter()
        with tempfile.TemporaryDirectory(prefix="fractos-d-") as folder:
            world = (
                nodeless.Cluster(folder, programs, DEVICES)
                if flags.operator
                else Centre(folder, programs)
            )
            with world:
                good, bad, left_out = observe(world, program, folder)
    for where in left_out:
        print(f"needs a cluster: {where}")
    for where in bad:
        print(f"NO DATA: {where}")
    print(
        f"dashboards: {len(good)} queries have data, {len(bad)} have none, "
        f"{len(left_out)} need a cluster"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
