"""What a campaign found: figures for machines, and a page for people."""

import collections
import hashlib
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def git(*words):
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def digest_of_code(binaries):
    programs = {}
    for program in ("fractosctl", "fractos-daemon", "fractos-adaptor"):
        data = (pathlib.Path(binaries) / program).read_bytes()
        programs[program] = hashlib.sha256(data).hexdigest()[:16]
    return {"commit": git("describe", "--always", "--abbrev=12", "--dirty"),
            "tree": git("rev-parse", "HEAD^{tree}"), "programs": programs}


def distribution(values):
    if not values:
        return None
    values = sorted(values)

    def at(share):
        return round(values[min(int(share * len(values)), len(values) - 1)], 3)

    return {"n": len(values), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)}


def upper_bound(failures, trials):
    """Of the probability of failure, at 95 %: the rule of three, where there was none."""
    return round(3 / trials, 4) if failures == 0 and trials else None


def summarize(arguments, code, undisturbed, results, seconds):
    kinds = {}
    for kind in ("state", "instant", "resume", "noReplica"):
        own = [r for r in results if r["kind"] == kind]
        failed = [r for r in own if r["faults"]]
        if not own:
            continue
        kinds[kind] = {
            "trials": len(own),
            "failures": len(failed),
            "upperBound95": upper_bound(len(failed), len(own)),
            "missedBefore": sum(r["missedBefore"] for r in own),
            "nextStepSeconds": distribution([r["nextStepSeconds"] for r in own
                                             if "nextStepSeconds" in r]),
            "extraSeconds": distribution([r["extraSeconds"] for r in own if "extraSeconds" in r]),
            "redriven": sum(1 for r in own if r.get("redriveEpoch", 1) > 1),
            "allGoneSeconds": distribution([r["allGoneSeconds"] for r in own]),
        }
    state = [r for r in results if r["kind"] == "state" and "cluster" in r]
    return {
        "code": code,
        "seed": arguments.seed,
        "seconds": round(seconds),
        "processors": os.cpu_count(),
        "atATime": arguments.jobs,
        "undisturbedSeconds": undisturbed.duration,
        "kinds": kinds,
        "histogram": dict(collections.Counter(r["state"] for r in state)),
        "devices": dict(collections.Counter(
            r["cluster"] for r in results if "cluster" in r)),
        "steps": dict(collections.Counter(r["step"] for r in state)),
        "leadersKilledAtInstants": sum(1 for r in results if r.get("led")),
        "polls": sum(r["polls"] for r in results),
    }


TITLES = {
    "state": "`kill -9` of the daemon on which a step reaches a state",
    "instant": "`kill -9` of a daemon at a random instant",
    "resume": "`kill -9` of fractosctl at a random instant, then `resume`",
    "noReplica": "the last replica of a device killed",
}


def spread(values):
    if values is None:
        return "-"
    return f"{values['p50']} / {values['p99']} / {values['max']}"


def table(whole):
    yield "| what | trials | failures | at most, 95 % | next step after the kill, s | longer run, s |"
    yield "|---|---|---|---|---|---|"
    for kind, found in whole["kinds"].items():
        bound = found["upperBound95"]
        yield (f"| {TITLES[kind]} | {found['trials']} | {found['failures']} | "
               f"{'-' if bound is None else f'{100 * bound:.1f} %'} | "
               f"{spread(found['nextStepSeconds'])} | {spread(found['extraSeconds'])} |")


def bars(counts):
    for name, count in sorted(counts.items(), key=lambda entry: -entry[1]):
        yield f"{name:<12}{count:>5}  {'#' * count}"


def as_text(whole):
    lines = list(table(whole))
    lines += ["", "killed in state:", *bars(whole["histogram"])]
    lines += ["", "killed of device:", *bars(whole["devices"])]
    return "\n".join(lines)


def write(folder, whole, results):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kill-campaign.json").write_text(
        json.dumps({**whole, "results": results}, indent=1) + "\n")
    code = whole["code"]
    lines = [
        "# Kill campaign",
        "",
        "Written by `make kill` ([how](../../tests/kill/README.md)); every single trial is in "
        "[kill-campaign.json](kill-campaign.json).",
        "",
        f"Code: commit `{code['commit']}`, tree `{code['tree']}`. Seed {whole['seed']}, "
        f"{whole['atATime']} runs at a time on {whole['processors']} processors, "
        f"{whole['seconds']} s in all. An undisturbed run takes "
        f"{whole['undisturbedSeconds']:.3f} s.",
        "",
        *table(whole),
        "",
        "Times are p50 / p99 / max. *Next step* is the time from the kill to the next step that "
        "begins to execute anywhere, *longer run* what the run took beyond an undisturbed one. "
        "`0` failures of n trials bound the probability of one at 3/n, at 95 % (the rule of three); "
        "that is what *at most* says, and no more than that.",
        "",
        "A trial counts as a failure when the run does not succeed (for the last replica: does not "
        "end at its deadline with `NoReplica` and exit code 3), when any step's result or any file "
        "differs by a byte from an undisturbed run's, when a reader that reads the storage folder "
        "all along sees anything but whole files, or when a process is left behind.",
        f"The readers looked {whole['polls']} times.",
        "",
        "A run takes longest where the killed daemon held the only copy of a hand-over, as between "
        "consecutive steps in one process: the driver first waits for the hold window of 4 s, in "
        "which any other holder would send again, and then drives from the record. "
        + " ".join(f"Of {found['trials']} runs of kind `{kind}` {found['redriven']} were driven "
                   f"again." for kind, found in whole["kinds"].items() if kind != "noReplica"),
        "",
        "## Killed in state",
        "",
        "```",
        *bars(whole["histogram"]),
        "```",
        "",
        "## Killed of which device",
        "",
        f"At random instants {whole['leadersKilledAtInstants']} of the killed were leaders.",
        "",
        "```",
        *bars(whole["devices"]),
        "```",
        "",
        "## Killed at which step",
        "",
        "```",
        *bars(whole["steps"]),
        "```",
    ]
    (folder / "kill-campaign.md").write_text("\n".join(lines) + "\n")
