#!/usr/bin/env python3
"""Disturbs a real API server, and shows that what lib/kube holds of it is right afterwards.

  run.py --probe build/release/tests/fractos-kube-probe --output docs/results/kube.md
  run.py --probe build/release/tests/fractos-kube-probe --quick

The first takes ten minutes, the second less than two. Brings a cluster up, unless that of
tests/cluster is up already, and takes it down again. A line for each disturbance, and at the end
"N passed, M failed".
"""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import disturbances as d
import report
import world as w

# promise: K-93, K-94
WARM_UP_SECONDS = 60
# What chance gives, with objects that come and go; a leak of 20 bytes a request is more.
MOST_GROWTH_KIB = 512
PATIENCE_SECONDS = 120


def plan(quick):
    def restarts(first, last):
        return [d.restart(at_once=number % 2 == 1) for number in range(first, last + 1)]

    if quick:
        return [d.nothing, d.forget, *restarts(1, 1), d.rotate, *restarts(2, 3), d.outage(10)]
    return [d.nothing, d.forget, *restarts(1, 10), d.rotate, *restarts(11, 20), d.outage(30),
            d.silence(20)]


class Proof:
    """What was found so far."""

    def __init__(self, world):
        self._world = world
        self._start = time.monotonic()
        self.results = []

    def step(self, probe, disturb, load_seconds):
        """Lets others write for a while, disturbs, and has the probe compare."""
        time.sleep(load_seconds)
        what, before = disturb.__qualname__.split(".")[0], {}
        try:
            before = probe.counts()
            what = disturb(self._world, probe)
            answer = probe.ask(f"check step-{len(self.results)} {PATIENCE_SECONDS}",
                               PATIENCE_SECONDS + 60)
        except w.Broken as error:
            answer = {"ok": False, "why": str(error)}
        totals = answer.get("counts", before)
        counts = {name: count - before.get(name, 0) for name, count in totals.items()}
        self._tell({**answer, "what": what + probe.name, "counts": counts, "totals": totals,
                    "at": time.monotonic() - self._start})

    def end(self, probe):
        status = probe.end()
        self.claim(f"the probe ends in good order{probe.name}", status == 0,
                   f"exit status {status}")

    def claim(self, what, ok, why):
        self._tell({"what": what, "ok": ok, "why": why, "at": time.monotonic() - self._start})

    def _tell(self, result):
        self.results.append(result)
        said = result["why"]
        if result["ok"] and "objects" in result:
            said = ", ".join([f"{result['objects']} objects equal after {result['seconds']:.1f} s",
                              f"heap {result['heapKiB']} KiB",
                              *(f"{name} {count}" for name in report.COUNTS
                                if (count := result["counts"].get(name, 0)))])
        print(f"{'ok    ' if result['ok'] else 'FAILED'} {result['what']}: {said}", flush=True)

    def failed(self):
        return sum(not result["ok"] for result in self.results)


def prove(arguments, world, proof):
    """Returns what the memory was, second by second."""
    load_seconds = 3 if arguments.quick else 10
    probe = w.Probe("", arguments.probe, world.by_token_file(), world.folder / "probe.log",
                    f"--seed={arguments.seed}")
    start = time.monotonic()
    for disturb in plan(arguments.quick):
        proof.step(probe, disturb, load_seconds)
    if not arguments.quick:
        rest = arguments.soak_seconds - (time.monotonic() - start)
        proof.step(probe, d.nothing, max(load_seconds, rest))
    proof.end(probe)
    if not arguments.quick:
        first, last = report.calm_heaps(proof.results)
        proof.claim("the heap holds in the end what it did at first",
                    last - first <= MOST_GROWTH_KIB, f"{first} KiB, then {last} KiB")

    by_plugin = w.Probe(", by exec plugin", arguments.probe, world.by_exec_plugin(),
                        world.folder / "plugin.log", f"--seed={arguments.seed}")
    for disturb in (d.nothing, d.rotate, d.restart(at_once=True)):
        proof.step(by_plugin, disturb, load_seconds=1)
    proof.end(by_plugin)
    return probe.memory.samples


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a part of it")
    parser.add_argument("--soak-seconds", type=int, default=600, help="how long, at least [600]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, help="write the results there")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code = report.code()
    folder = tempfile.mkdtemp(prefix="fractos-kube-")
    with w.running_cluster(), w.World(folder) as world:
        proof = Proof(world)
        samples = prove(arguments, world, proof)
    warm_up = 0 if arguments.quick else WARM_UP_SECONDS
    print(report.memory_text(samples, warm_up))
    if arguments.output:
        report.write(arguments.output, code, world.version, proof.results, samples, warm_up)
    if proof.failed():
        print(f"the probes' logs are in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{len(proof.results) - proof.failed()} passed, {proof.failed()} failed")
    return 1 if proof.failed() else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except w.Broken as broken:
        sys.exit(f"tests/kube: {broken}")
