#!/usr/bin/env python3
"""Measures FractOS on a real Kubernetes; see README.md beside this file.

  bench/cluster/run.py [--keep] [--quick | --report] [latency] [load] [kills] [deletions]

Without names: all. Each leaves what it found in build/cluster-bench/NAME.json. Where all are there,
docs/results/cluster.md and cluster.json are written of them. --keep takes the cluster as it finds
it and leaves it. --quick measures a tenth and only says what it found; --report measures nothing.
Exits 1 if a bound does not hold, 2 if it cannot run here.
"""

import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tests" / "e2e"),
                str(HERE.parent.parent / "tests" / "cluster")]
import deletions
import kills
import latency
import layout
import load
import machine
import report
from harness import CLUSTER, ROOT, run
from stage import Stage, Unusable, bring_up

PARTS = {"latency": latency, "load": load, "kills": kills,
         "deletions": deletions}
FOUND = ROOT / "build" / "cluster-bench"


def make_quick():
    latency.RUNS //= 10
    load.GRAPHS //= 10
    kills.KILLS //= 10
    deletions.DELETIONS //= 10


def measure_all(names, keep, folder):
    """Whether all bounds hold."""
    stage, holds = Stage(bring_up(keep)), True
    folder.mkdir(parents=True, exist_ok=True)
    try:
        stage.install()
        for name in names:
            start = time.monotonic()
            where = machine.describe(layout.STATE)
            where["etcdSyncs"] = machine.etcd_syncs(layout.STATE)
            found = {"machine": where, "found": PARTS[name].run(stage)}
            (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
            for one in PARTS[name].measures(found["found"]):
                print(report.line(one), flush=True)
                holds = holds and one["holds"]
    finally:
        stage.close()
        if not keep:
            run(CLUSTER, "down", seconds=120)
    return holds


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    names = [word for word in sys.argv[1:] if word not in options] or list(PARTS)
    quick = "--quick" in options
    if options - {"--keep", "--quick", "--report"} or set(names) - set(PARTS):
        print(__doc__, file=sys.stderr)
        return 2
    if quick:
        make_quick()
    holds = True
    if "--report" not in options:
        try:
            holds = measure_all(names, "--keep" in options, FOUND / "quick" if quick else FOUND)
        except Unusable as why:
            print(f"cluster-bench: {why}", file=sys.stderr)
            return 2
    files = {name: FOUND / f"{name}.json" for name in PARTS}
    if quick or not all(file.exists() for file in files.values()):
        return 0 if holds else 1
    found = {name: json.loads(file.read_text()) for name, file in files.items()}
    measures = report.write(ROOT / "docs" / "results", PARTS, found)
    return 0 if all(one["holds"] for one in measures) else 1


if __name__ == "__main__":
    sys.exit(main())
