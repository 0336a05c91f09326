"""What the proof found: a line for each figure, and a page for people."""

import os
import subprocess

import world

# What is worth telling of what the probe counts; the names are its own.
COUNTS = ("410", "watch list", "list", "watch", "http <error>", "http 401", "http 403", "http 429",
          "http 503", "leadership lost", "write ok", "write failed", "reconcile conflict",
          "reconcile error")


def slope(samples):
    """Per minute, of (seconds, value, ...): the straight line with the least squares."""
    mean_t = sum(s[0] for s in samples) / len(samples)
    mean_v = sum(s[1] for s in samples) / len(samples)
    squares = sum((s[0] - mean_t) ** 2 for s in samples)
    return 60 * sum((s[0] - mean_t) * (s[1] - mean_v) for s in samples) / (squares or 1)


def heaps(results):
    """(seconds, KiB that the heap holds at rest, what was done) of the one process that all was
    done to."""
    return [(r["at"], r["heapKiB"], r["what"]) for r in results
            if "heapKiB" in r and not r["what"].endswith("by exec plugin")]


def calm_heaps(results):
    """The first and the last of them that nothing was done before."""
    calm = [kib for _, kib, what in heaps(results) if what == "undisturbed"]
    return (calm[0], calm[-1]) if calm else (0, 0)


def memory_text(samples, warm_up):
    samples = [sample for sample in samples if sample[0] >= warm_up]
    first, last = samples[0], samples[-1]
    half = samples[len(samples) // 2:]
    return (f"RSS from {first[0]:.0f} s to {last[0]:.0f} s: {first[1]} to {last[1]} KiB, slope "
            f"{slope(samples):.1f} KiB/min, of the second half {slope(half):.1f} KiB/min; at most "
            f"{max(s[2] for s in samples)} open files and {max(s[3] for s in samples)} threads")


def _git(*words):
    done = subprocess.run(["git", "-C", world.ROOT, *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def code():
    return (f"commit `{_git('describe', '--always', '--abbrev=12', '--dirty')}`, tree "
            f"`{_git('rev-parse', 'HEAD^{tree}')}`")


def _table(results):
    yield ("| what was done | times | equal | after, s: mean, most | 410 | lists | watches | 401 "
           "| leadership lost |")
    yield "|---|---|---|---|---|---|---|---|---|"
    kinds = {}
    for result in results:
        kinds.setdefault(result["what"], []).append(result)
    for what, own in kinds.items():
        seconds = [result.get("seconds", 0) for result in own]

        def count(*names, own=own):
            return sum(result["counts"].get(name, 0) for result in own for name in names)

        yield (f"| {what} | {len(own)} | {sum(result['ok'] for result in own)} "
               f"| {sum(seconds) / len(own):.1f}, {max(seconds):.1f} | {count('410')} "
               f"| {count('watch list', 'list')} | {count('watch')} | {count('http 401')} "
               f"| {count('leadership lost')} |")


def _bars(samples):
    for sample in samples:
        yield f"{sample[0]:4.0f} s {sample[1]:7} KiB  {'#' * round(sample[1] / 1000)}"


def write(file, program, version, results, samples, warm_up):
    compared = [result for result in results if "counts" in result]
    failed = [result for result in results if not result["ok"]]
    held = heaps(compared)
    calm = calm_heaps(compared)
    objects = [result.get("objects", 0) for result in compared]
    last = [r for r in compared if not r["what"].endswith("by exec plugin")][-1]
    totals = last["totals"]
    lines = [
        "# lib/kube on a real API server",
        "",
        "Written by `make kube-test` ([how](../../tests/kube/README.md)).",
        "",
        f"Code: {program}. Kubernetes {version}, {os.cpu_count()} processors, "
        f"{results[-1]['at']:.0f} s in all: {len(results) - len(failed)} passed, "
        f"{len(failed)} failed.",
        "",
        *_table(compared),
        "",
        "*Equal*: a fresh list, the informer's store and what its handlers were told have the same "
        f"objects of both collections byte for byte ({min(objects)} to {max(objects)}), nothing "
        "that handlers were told contradicts what they had been told before, the worker is done "
        "with each object, the Lease is held, and events have been written. The seconds begin once "
        "the API server is ready and the probe has noticed the disturbance. *Lists* are those of the informers, by "
        "watch or by list; nearly every restart takes one, for the API server then remembers "
        "nothing older than its start.",
        "",
        f"Others wrote {totals.get('write ok', 0)} times and failed to "
        f"{totals.get('write failed', 0)} times, while there was no API server or the token was "
        f"not good; handlers were told {last.get('told', 0)} changes; the workers met "
        f"{totals.get('reconcile conflict', 0)} conflicts and "
        f"{totals.get('reconcile error', 0)} other errors.",
        "",
        "## Memory",
        "",
        memory_text(samples, warm_up) + ".",
        "",
        "```",
        *_bars(s for i, s in enumerate(samples) if i % 60 == 0),
        "```",
        "",
        f"What the heap holds at rest: {calm[0]} KiB when nothing had been done yet, {calm[1]} KiB "
        f"in the end. After a disturbance it is up to {max(h[1] for h in held)} KiB, with the "
        "buffers of a watch that has begun with a list. RSS beyond that is what the allocator "
        "keeps of the most that was ever in use at once.",
        "",
        "```",
        *_bars(held),
        "```",
        "",
    ]
    if failed:
        lines += ["## Failed", "", *(f"* {r['what']}: {r['why']}" for r in failed), ""]
    file.write_text("\n".join(lines))
