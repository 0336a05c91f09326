#!/usr/bin/env python3
"""Asks a real Prometheus every query of the dashboards and alerts, and says which find nothing.

  tests/dashboards/run.py --bin BIN [--prometheus PROGRAM]
  tests/dashboards/run.py --url http://PROMETHEUS --cluster NAMESPACE/NAME... [--minutes 15]

With programs: a data centre is kept up on this machine, Prometheus scrapes its daemons every second
under the labels that Kubernetes would give, and graphs run that succeed, fail, grow, join and move
values, in both modes. What only the operator has is counted apart, as left out. With a URL: that
Prometheus is asked for the last minutes, the operator's queries included; runs of both modes, some
of which failed, and the DeviceClusters named must be among what it has seen.
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
import yaml

CLUSTERS = ["default/math", "default/storage", "default/echo"]
SECONDS = 12  # of runs
LOGGED = re.compile(r"\bhttp address=\"([^\"]+)\"")

GRAPH = """\
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: busy}
spec:
  steps:
  - {name: grown, device: math, operation: power, arguments: {base: 3, exponent: 6}}
  - {name: copied, device: echo, operation: identity, inputs: {data: grown}}
  - {name: joined, device: math, operation: add, inputs: {a: copied, b: grown}}
  - {name: large, device: echo, operation: generate, arguments: {size: 200000}}
  - {name: kept, device: storage, operation: put, inputs: {data: large}, arguments: {key: large}}
"""
FAILING = """\
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: failing}
spec:
  steps:
  - {name: divided, device: math, operation: divide, arguments: {a: 1, b: 0}}
  onFailure:
  - {name: note, device: echo, operation: copy, arguments: {text: $(failure.reason)}}
"""


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
    """A data centre that fractosctl keeps up in a folder of its own."""

    def __init__(self, folder, programs):
        self.folder = pathlib.Path(folder)
        self.program = str(programs / "fractosctl")
        self.environment = {
            **os.environ,
            "FRACTOS_HOME": f"{folder}/home",
            "XDG_RUNTIME_DIR": folder,
            "FRACTOS_HTTP_ADDRESS": "127.0.0.1:0",
        }
        for name, text in (("busy", GRAPH), ("failing", FAILING)):
            (self.folder / f"{name}.yaml").write_text(text)

    def ctl(self, *words):
        done = subprocess.run(
            [self.program, *words], env=self.environment, cwd=self.folder,
            capture_output=True, text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def up(self):
        code, said = self.ctl("up")
        if code != 0:
            sys.exit(f"dashboards: fractosctl up: {said}")

    def addresses(self):
        """Where each daemon serves /metrics, by its log's name."""
        found = {}
        for log in self.folder.rglob("*.log"):
            for address in LOGGED.findall(log.read_text(errors="replace")):
                found[log.stem] = address
        return found

    def run(self, graph, *flags, code=0):
        got, said = self.ctl("run", "-q", f"{graph}.yaml", *flags)
        if got != code:
            sys.exit(f"dashboards: {graph} {flags} ended with {got}, not {code}: {said}")


def configuration(addresses):
    """As docs/metrics.md has it for pods, with the labels that a pod's target gets."""
    targets = [
        {
            "targets": [address],
            "labels": {"namespace": "default", "pod": name, "container": "daemon", "job": "daemon"},
        }
        for name, address in sorted(addresses.items())
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "fractos", "static_configs": targets}],
    }


@contextlib.contextmanager
def prometheus(program, folder, addresses):
    """The URL of one that scrapes them, on a port that was free."""
    config = pathlib.Path(folder) / "prometheus.yaml"
    config.write_text(yaml.safe_dump(configuration(addresses)))
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
    """Whether each of `count` daemons has answered a scrape since then."""
    targets = check.ask(url, "query", query=f"timestamp(up == 1) > {moment}")["result"]
    return len(targets) >= count


# promise: T-15
def locally(programs, program):
    with tempfile.TemporaryDirectory(prefix="fractos-d-") as folder:
        centre = Centre(folder, programs)
        centre.up()
        try:
            addresses = until(
                "the daemons serve /metrics",
                lambda: len(centre.addresses()) >= len(CLUSTERS) and centre.addresses(),
            )
            with prometheus(program, folder, addresses) as url:
                begin = time.time()
                until("a first scrape", lambda: scraped_since(url, begin, len(addresses)))
                while time.time() < begin + SECONDS:
                    centre.run("busy")
                    centre.run("busy", "--mode", "Centralized")
                    centre.run("failing", code=1)
                end = time.time()
                until("a last scrape", lambda: scraped_since(url, end, len(addresses)))
                span = begin, time.time()
                if check.has_data(url, "fractos_no_such_metric", span):
                    sys.exit("dashboards: finds data where there is none")
                return check.check(url, span, CLUSTERS, with_operator=False)
        finally:
            centre.ctl("down")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, help="where fractosctl and its daemons are")
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
        good, bad, left_out = locally(flags.bin.resolve(), program)
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
