#!/usr/bin/env python3
"""Kills daemons and fractosctl under real runs, and shows that nothing is lost.

  campaign.py --bin build/dev/bin                the whole campaign; writes docs/results/
  campaign.py --bin build/dev/bin --quick        a minute's worth of it, as a test
  campaign.py --bin build/dev/bin --only state   one kind: state, instant, resume or noReplica
"""

import argparse
import concurrent.futures
import pathlib
import random
import signal
import sys
import time

import report
import trials as t

HOWS = ["one replica", "all three", "data centre that is up"]


def planned(arguments):
    """The trials as (kind, arguments after the seed)."""
    if arguments.quick:
        counts = {"state": 6, "instant": 5, "resume": 3, "noReplica": 1}
    else:
        counts = {"state": 204, "instant": 100, "resume": 50, "noReplica": 15}
    if arguments.count is not None:
        counts = dict.fromkeys(counts, arguments.count)
    plan = []
    for kind, count in counts.items():
        if arguments.only not in (None, kind):
            continue
        for i in range(count):
            extra = ()
            if kind == "state":
                # Consecutive trials differ in both; all pairs have had their turn after 84.
                extra = (t.STATES[i % len(t.STATES)],
                         t.STEPS[(i + i // (len(t.STATES) * len(t.STEPS) // 2)) % len(t.STEPS)])
            elif kind == "noReplica":
                extra = (HOWS[i % len(HOWS)],)
            plan.append((kind, extra))
    return plan


KINDS = {"state": t.KillInState, "instant": t.KillAtInstant, "resume": t.KillFractosctl,
         "noReplica": t.KillAllReplicas}


def until_hit(arguments, undisturbed, number, kind, extra):
    """A trial whose kill came too late is repeated with another seed, and counted."""
    misses = 0
    while True:
        seed = f"{arguments.seed}/{kind}/{number}/{misses}"
        trial = KINDS[kind](arguments.bin, undisturbed, seed, *extra)
        try:
            trial()
        except Exception as error:  # the campaign goes on, and this counts as a failure
            trial.fault(f"{type(error).__name__}: {error}")
            break
        if not trial.missed or misses == 20:
            break
        misses += 1
    trial.result["missedBefore"] = misses
    if trial.missed:
        trial.fault("the kill came too late 20 times")
    return trial.result


def tell(results, total):
    if results[-1]["faults"]:
        print("FAILED", results[-1], flush=True)
    elif sys.stdout.isatty() or len(results) % 20 == 0:
        print(f"{len(results)} of {total}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path,
                        help="where fractosctl lies, built with failpoints")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--count", type=int, help="so many of each kind")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--output", type=pathlib.Path, help="folder for kill-campaign.json and .md")
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: says what it has
    since = time.monotonic()
    code = report.digest_of_code(arguments.bin)
    undisturbed = t.Undisturbed(arguments.bin, 2 if arguments.quick else 5)
    print(f"undisturbed: {undisturbed.duration:.3f} s", flush=True)
    results = []
    numbered = list(enumerate(planned(arguments)))
    random.Random(arguments.seed).shuffle(numbered)  # all kinds from the beginning
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(until_hit, arguments, undisturbed, number, kind, extra)
                   for number, (kind, extra) in numbered]
        try:
            for future in concurrent.futures.as_completed(futures):
                results.append(future.result())
                tell(results, len(futures))
        except KeyboardInterrupt:
            print("interrupted: only what was tried until now counts", flush=True)
            pool.shutdown(cancel_futures=True)
    whole = report.summarize(arguments, code, undisturbed, results, time.monotonic() - since)
    print(report.as_text(whole), flush=True)
    if arguments.output is not None:
        report.write(arguments.output, whole, results)
    failed = sum(1 for result in results if result["faults"])
    return 1 if failed or len(results) < len(futures) else 0


if __name__ == "__main__":
    sys.exit(main())
