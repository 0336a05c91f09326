"""The trials: each runs the graph once, disturbs it in one way, and says what came of it."""

import os
import random
import re
import signal
import time

import world as w

STATES = ["RECEIVED", "ACCEPTED", "EXECUTING", "STAGED", "COMMITTED", "FORWARDED"]
# "*@*" is any step that `power` grew into.
STEPS = ["read", "copy", "same", "nap", "classify", "power", "*@*", "add", "total", "album", "keep",
         "back", "note", "show"]
RUN = ["run", "graph.yaml", "-o", "json", "--verbose"]
NO_REPLICA_DEADLINE = "3s"


def substance(report):
    """What must be the same, however often anything was executed: not who, when and how often.

    A step that a refinement put in is named after the refining result, whose id no two runs share.
    """
    def plain(path):
        return re.sub(r"@[0-9a-f]+", "@", path)

    return {
        "phase": report["phase"],
        "outputs": sorted((o["step"], o["state"], o["size"], o["digest"]) for o in report["outputs"]),
        "steps": sorted((plain(s["path"]), s["state"], s["size"], s["digest"])
                        for s in report["steps"]),
    }


class Undisturbed:
    """What a run gives that nobody disturbs, and how long it takes."""

    def __init__(self, binaries, runs):
        self.durations = []
        self.files = None
        self.substance = None
        for _ in range(runs):
            world = w.World(binaries)
            try:
                code, report = world.run(*RUN)
                if code != 0 or report is None:
                    raise RuntimeError(f"an undisturbed run ended with {code}; see {world.folder}")
                files = {str(path.relative_to(world.store)): path.read_bytes()
                         for path in world.store.rglob("*")
                         if path.is_file() and w.STAGING not in path.parts}
                if self.files not in (None, files) or self.substance not in (
                        None, substance(report)):
                    raise RuntimeError(f"undisturbed runs differ; see {world.folder}")
                if world.left_behind():
                    raise RuntimeError(f"an undisturbed run left {world.left_behind()}")
                self.files, self.substance = files, substance(report)
                self.durations.append(report["durationMilliseconds"] / 1000)
            except BaseException:
                world.close(keep=True)
                raise
            world.close()
        self.duration = sorted(self.durations)[len(self.durations) // 2]


class Trial:
    """Runs and judges. A trial whose kill came too late has `missed`: it shows nothing."""

    def __init__(self, binaries, undisturbed, seed):
        self.binaries = binaries
        self.undisturbed = undisturbed
        self.random = random.Random(seed)
        self.result = {"seed": seed, "faults": []}
        self.missed = False
        self.folder = None
        self.replicas = None

    def __call__(self):
        self.world = w.World(self.binaries, self.replicas)
        reader = w.Reader(self.world.store, self.undisturbed.files)
        try:
            self.disturb()
        finally:
            reader.stop()
        self.result.update(polls=reader.polls)
        if reader.violations:
            self.fault("partial file: " + reader.violations[0])
        if self.whole and reader.seen != set(self.undisturbed.files):
            self.fault(f"files {sorted(reader.seen)} in the end")
        since = time.monotonic()
        if left := self.world.left_behind():
            self.fault("left behind: " + "; ".join(left))
        self.result["allGoneSeconds"] = round(time.monotonic() - since, 3)
        keep = bool(self.result["faults"]) and not self.missed
        if keep:
            self.result["folder"] = str(self.world.folder)
        self.world.close(keep)
        return self

    whole = True  # whether all files are to be there in the end

    def fault(self, what):
        self.result["faults"].append(what)

    def miss(self):
        self.missed = True
        self.whole = False

    def judge(self, code, report):
        if code != 0 or report is None:
            self.fault(f"exit code {code}")
        elif substance(report) != self.undisturbed.substance:
            self.fault("another result than undisturbed")

    def measure(self, killed, report):
        """From the kill to the next step that begins to execute, and what it cost the run."""
        if report is None:
            return
        after = [s["timing"]["executingMicroseconds"] / 1e6 - killed for s in report["steps"]
                 if s["timing"]["executingMicroseconds"] / 1e6 > killed]
        if after:
            self.result["nextStepSeconds"] = round(min(after), 4)
        seconds = report["durationMilliseconds"] / 1000
        self.result["durationSeconds"] = round(seconds, 4)
        self.result["extraSeconds"] = round(max(seconds - self.undisturbed.duration, 0), 4)
        self.result["redriveEpoch"] = report["redriveEpoch"]

    def await_record(self, process):
        """The run has begun when its record is there."""
        w.eventually(lambda: self.world.record() or process.poll() is not None, w.LONGEST_RUN)
        return process.poll() is None


# promise: H-38
class KillInState(Trial):
    """kill -9 of the daemon on which a step reaches a state, at that very instant."""

    def __init__(self, binaries, undisturbed, seed, state, step):
        super().__init__(binaries, undisturbed, seed)
        self.result.update(kind="state", state=state, step=step)

    def disturb(self):
        self.world.arm(self.result["state"], self.result["step"])
        code, report = self.world.run(*RUN)
        fired = self.world.fired()
        if fired is None:
            self.fault("no step reached the failpoint")
        else:
            self.result.update(cluster=fired[0], replica=fired[1])
            self.measure(fired[2], report)
        self.judge(code, report)


class KillAtInstant(Trial):
    """kill -9 of a daemon at an instant that the seed says: mostly of one that leads."""

    def __init__(self, binaries, undisturbed, seed):
        super().__init__(binaries, undisturbed, seed)
        self.result.update(kind="instant")

    def disturb(self):
        process = self.world.start(*RUN)
        if not self.await_record(process):
            self.fault(f"ended with {process.poll()} before it began")
            return
        time.sleep(self.random.random() * self.undisturbed.duration)
        daemons = self.world.daemons()
        leaders = self.world.leaders()
        leading = {name: pid for name, pid in daemons.items() if pid in leaders}
        among = leading if leading and self.random.random() < 0.8 else daemons
        try:
            name = self.random.choice(sorted(among))
            killed = time.time()
            os.kill(among[name], signal.SIGKILL)
            self.result.update(cluster=name[0], replica=name[1], led=name in leading)
        except (IndexError, ProcessLookupError):  # they had ended
            self.miss()
        code, report = self.world.finish(process)
        if not self.missed:
            if report and not 0 <= killed - report["startMicroseconds"] / 1e6 <= (
                    report["durationMilliseconds"] / 1e3):
                self.miss()  # before its begin, or after its end
            self.measure(killed, report)
        self.judge(code, report)


# promises: R-13, C-11
class KillFractosctl(Trial):
    """kill -9 of fractosctl at an instant that the seed says, and resume; some twice."""

    def __init__(self, binaries, undisturbed, seed):
        super().__init__(binaries, undisturbed, seed)
        self.result.update(kind="resume", kills=2 if self.random.random() < 0.3 else 1)

    def disturb(self):
        process = self.world.start(*RUN)
        if not self.await_record(process):
            self.fault(f"ended with {process.poll()} before it began")
            return
        run = self.world.record().parent.name
        for again in range(self.result["kills"]):
            if again:
                process = self.world.start("resume", run, "-o", "json", "--verbose")
                # It starts its data centre first, so the instant counts from its daemons on.
                w.eventually(lambda p=process: self.world.leaders() or p.poll() is not None)
            time.sleep(self.random.random() * self.undisturbed.duration)
            if process.poll() is not None and not again:
                self.miss()
            process.kill()
            process.wait()
            if left := self.world.left_behind():
                self.fault("left behind by a killed fractosctl: " + "; ".join(left))
        code, text = self.world.run("runs", "-o", "json")
        if code != 0 or not text or not text[0]["resumable"]:
            self.miss()  # it had recorded the end
            return
        killed = time.time()
        code, report = self.world.run("resume", run[:8], "-o", "json", "--verbose")
        self.measure(killed, report)
        self.judge(code, report)


# promise: H-39
class KillAllReplicas(Trial):
    """The last replica of a device dies: the run ends at its deadline and says why."""

    whole = False

    def __init__(self, binaries, undisturbed, seed, how):
        super().__init__(binaries, undisturbed, seed)
        self.result.update(kind="noReplica", how=how)
        self.replicas = 1 if how == "one replica" else None

    def disturb(self):
        end = ["--deadline", NO_REPLICA_DEADLINE]
        if self.result["how"] == "one replica":
            self.world.arm("EXECUTING", "copy")
            code, report = self.world.run(*RUN, *end)
        else:
            kept = self.result["how"] == "data centre that is up"
            if kept and (up := self.world.run("up", "--no-restart", "--devices", "graph.yaml"))[0]:
                self.fault(f"up: exit code {up[0]}")
            process = self.world.start(*RUN, *end, "-p", "nap=600000")
            self.await_record(process)
            for pid in self.world.daemons("echo").values():
                os.kill(pid, signal.SIGKILL)  # none has ended before: nothing else is killed
            code, report = self.world.finish(process)
            if kept:
                self.world.run("down")
        if code != 3 or report is None:
            self.fault(f"exit code {code}")
            return
        reason = report["failure"]["reason"]
        if reason != "NoReplica":
            self.fault(f"reason {reason}: {report['failure']['message']}")
        self.result.update(reason=reason, durationSeconds=report["durationMilliseconds"] / 1000)
        if not 3.0 <= self.result["durationSeconds"] <= 4.0:
            self.fault(f"ended after {self.result['durationSeconds']} s, not at its deadline")
