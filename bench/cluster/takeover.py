"""How long a DeviceCluster does nothing when its leader is killed, or its pod deleted."""

import http.client
import os
import signal
import threading
import time

import machine
from connection import Connection
from figures import SPREAD, histogram, measure, percentile, spread, table
from harness import HOME, World
from seen import Leaders, Leases, Runs
from stage import Stage, post, task_graph

KILLS, DELETIONS = 300, 60
AT_ONCE = 8  # DeviceClusters, each with a thread that disturbs it
LEASE = {"leaseDurationSeconds": 5, "renewDeadlineSeconds": 3, "retryPeriodSeconds": 1}
SPEC = {"replicas": 3, "adaptor": {"command": ["fractos-adaptor", "echo"]}, "leaderElection": LEASE}
GROUND = "ground"  # a DeviceCluster that nobody disturbs
NAPS, NAP = 64, 250  # of the run that is under way, and milliseconds of each
ENOUGH = 20  # steps that must be missing in its record when the leader is killed
PATIENCE = 60
# After a kill, all that was handed on before it has been executed by then, and nobody leads yet.
QUIET = 2
LOOK_EVERY = 0.2


def naps(device):
    """Steps on a device and on GROUND by turns, each handed over by the one before."""
    steps = []
    for i in range(NAPS):
        steps.append({"name": f"nap{i}", "device": (device, GROUND)[i % 2], "operation": "sleep",
                      "arguments": {"ms": NAP}, **({"after": [f"nap{i - 1}"]} if i else {})})
    return task_graph(steps, "naps-", deadline="10m")


def probe(device):
    return task_graph([{"name": "say", "device": device, "operation": "copy",
                        "arguments": {"text": "hello"}}], "probe-", deadline="2m")


class Trials:
    """How many are still to be made, for all threads; and what was found."""

    def __init__(self, count):
        self._lock = threading.Lock()
        self._left = count
        self.found, self.runs, self.problems = [], [], []

    def take(self):
        with self._lock:
            self._left -= 1
            return self._left >= 0


class Naps:
    """When the first of the run under way is executed after a kill: when a replica says that it has
    executed more than it had QUIET seconds after the kill."""

    def __init__(self, addresses, killed_at):
        self._addresses, self._killed_at = addresses, killed_at
        self._before, self.executed_at = None, None

    def look(self):
        """Soon enough, once in LOOK_EVERY."""
        if self.executed_at is not None or time.monotonic() < self._killed_at + QUIET:
            return
        now = {address: self._count(address) for address in self._addresses}
        if self._before is None:
            self._before = now
        elif any(count > self._before[address] for address, count in now.items()):
            self.executed_at = time.monotonic()

    @staticmethod
    def _count(address):
        try:
            return Stage.metric(Stage.scrape(address), "fractos_execution_seconds_count",
                                operation="sleep")
        except (OSError, http.client.HTTPException):
            return 0  # it was killed, and has not been started again


class Disturber(threading.Thread):
    """Disturbs the leader of one DeviceCluster, again and again, with a run under way all along."""

    def __init__(self, stage, device, kind, trials, seen):
        super().__init__()
        self._connection = Connection(stage.api)
        self._device, self._kind, self._trials = device, kind, trials
        self._runs, self._leaders, self._leases = seen
        self._chain = None

    def run(self):
        try:
            while self._trials.take():
                self._trials.found.append(self._disturb(*self._await_replicas()))
        except Exception as problem:  # pylint: disable=broad-except
            self._trials.problems.append(f"{self._device}: {problem!r}")
        finally:
            self._connection.close()

    def _post(self, graph):
        name = post(self._connection, graph)
        self._trials.runs.append(name)
        return name

    def _steps(self):
        history = self._runs.history(self._chain)
        return len(history[-1][1]["steps"]) if history else 0

    def _has_enough(self):
        return self._chain is not None and self._steps() <= NAPS - ENOUGH

    def _begin_chain(self):
        self._chain = self._post(naps(self._device))
        if self._runs.first(self._chain, lambda run: len(run["steps"]) > 0,
                            seconds=PATIENCE) is None:
            raise RuntimeError(f"{self._chain} does not begin")

    def _await_replicas(self):
        """Until two replicas are ready and one of them leads: (its pod, the daemon's process,
        the addresses of all)."""
        path = World.path("pod", HOME) + f"?labelSelector=fractos.dev/devicecluster={self._device}"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pods = self._connection.ask("GET", path)["items"]
            ready = {pod["metadata"]["name"]: pod for pod in pods
                     if World.condition_of(pod, "Ready").get("status") == "True"
                     and "deletionTimestamp" not in pod["metadata"]}
            leader = self._leaders.now(self._device)["pod"]
            if len(ready) >= 2 and leader in ready:
                pid = machine.of_pod(ready[leader], "daemon", "fractos-daemon")
                if pid is not None and self._has_enough():
                    return leader, pid, [
                        one["status"]["podIP"] for one in pods if "podIP" in one["status"]]
                if pid is not None:
                    self._begin_chain()
                    continue
            time.sleep(0.2)
        raise RuntimeError(f"no two replicas of {self._device} are ready and one of them leads: "
                           f"{sorted(ready)}, {leader}")

    def _await_end(self, name, leader, naps):
        end, until = None, time.monotonic() + PATIENCE
        while end is None and time.monotonic() < until:
            end = self._runs.end(name, LOOK_EVERY)
            if naps is not None:
                naps.look()
        if end is None or not end[1]["succeeded"]:
            raise RuntimeError(f"{name} after {leader} was disturbed: {end}")
        return end[0]

    def _disturb(self, leader, pid, addresses):
        before = self._leaders.now(self._device)["epoch"]
        naps, start = None, time.monotonic()
        if self._kind == "kill":
            os.kill(pid, signal.SIGKILL)
            naps = Naps(addresses, start)
        else:
            self._connection.ask("DELETE", World.path("pod", HOME, leader))
        # One run of a step after the other, until one is through that ended under the new leader.
        longest, epoch, end = 0.0, None, start
        while epoch is None or end < epoch[0]:
            if end > start + PATIENCE:
                raise RuntimeError(f"nobody took over from {leader}")
            asked = time.monotonic()
            end = self._await_end(self._post(probe(self._device)), leader, naps)
            longest = max(longest, end - asked)
            epoch = epoch or self._leaders.first(
                self._device, lambda one: one["epoch"] > before, start, 0.001)
        while naps is not None and naps.executed_at is None:
            if time.monotonic() > start + PATIENCE:
                raise RuntimeError(f"{self._chain} does not go on without {leader}")
            time.sleep(LOOK_EVERY)
            naps.look()
        return {"cluster": self._device, "leader": leader, "seconds": end - start,
                "epochSeconds": epoch[0] - start, "longestProbeSeconds": longest,
                "underWaySeconds": naps and naps.executed_at - start,
                "recordedSeconds": self._recorded(epoch[0], start),
                "freeSeconds": self._freed(start)}

    def _recorded(self, epoch, start):
        """Until the first record of the run under way, once another leads, with another step."""
        steps = max(len(run["steps"]) for when, run in self._runs.history(self._chain)
                    if when < epoch)
        found = self._runs.first(self._chain, lambda run: len(run["steps"]) > steps
                                 or run["finished"], epoch, PATIENCE)
        return found and found[0] - start

    def _freed(self, start):
        found = self._leases.first(self._device, lambda holder: not holder, start, 0.001)
        return found and found[0] - start


def campaign(stage, kind, count, seen):
    trials, runs = Trials(count), seen[0]
    start = time.monotonic()
    threads = [Disturber(stage, device, kind, trials, seen) for device in DISTURBED]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = {name: runs.end(name, 120) for name in trials.runs}
    lost = [(name, end and end[1]["failure"]) for name, end in ends.items()
            if end is None or not end[1]["succeeded"]]
    return {"trials": trials.found, "runs": len(ends), "lost": lost, "problems": trials.problems,
            "seconds": time.monotonic() - start,
            "redriven": sum(bool(end) and end[1]["redrive"] > 1 for end in ends.values())}


DISTURBED = {f"echo{i}": SPEC for i in range(AT_ONCE)}
DEVICES = {**DISTURBED, GROUND: SPEC}


def run(stage):
    stage.devices(DEVICES)
    seen = Runs(stage.api), Leaders(stage.api), Leases(stage.api)
    used = machine.processor_seconds()
    result = {"kill": campaign(stage, "kill", KILLS, seen)}
    result["processorSeconds"] = machine.used_since(used)
    result["delete"] = campaign(stage, "delete", DELETIONS, seen)
    for one in seen:
        one.close()
    stage.remove(DEVICES)
    return result


def of(found, which):
    return [trial[which] for trial in found["trials"] if trial[which] is not None]


def measures(found):
    kill, delete = found["kill"], found["delete"]
    return [
        measure("leaders_killed", len(kill["trials"]), "", KILLS, at_most=False),
        measure("next_step_after_kill_p99", percentile(of(kill, "seconds"), 0.99), "s", 7),
        measure("next_step_of_run_under_way_after_kill_p99",
                percentile(of(kill, "underWaySeconds"), 0.99), "s", 7),
        measure("runs_lost_by_kills", len(kill["lost"]), "", 0),
        measure("leaders_pods_deleted", len(delete["trials"]), "", DELETIONS, at_most=False),
        measure("next_step_after_deletion_max", max(of(delete, "seconds")), "s", 1.5),
        measure("runs_lost_by_deletions", len(delete["lost"]), "", 0)]


ROWS = [("freeSeconds", "the Lease is given back"), ("epochSeconds", "another leads"),
        ("seconds", "a new run's step executed"), ("underWaySeconds", "the run under way goes on"),
        ("recordedSeconds", "its record does"),
        ("longestProbeSeconds", "longest that a new run took")]


def page(found):
    lease = "/".join(str(seconds) for seconds in LEASE.values())
    yield (f"{AT_ONCE} DeviceClusters of three replicas, Leases of {lease} s, each with a run "
           f"of {NAPS} steps of {NAP} ms under way, on it and on a DeviceCluster that nobody "
           "disturbs by turns. Each is disturbed again as soon as two of its replicas are "
           f"ready, one of them leads, and at least {ENOUGH} steps of the run under way are "
           "missing in its record. All times are from just before the signal, or the DELETE, "
           "was sent.")
    yield ""
    yield ("*Another leads*: a watch shows the raised `leaderEpoch`. *A new run's step "
           "executed*: after the disturbance runs of one step are made, one after the other, "
           "until one has ended under the new leader; it counts when a watch shows its "
           "`Succeeded=True`, so making it, driving it and writing its record count as well. "
           "*The run under way goes on*: a replica says in its metrics that it has executed a "
           f"step of that run; they are looked at five times a second from {QUIET} s after the "
           "kill on, when what was handed on before has been executed. *Its record does*: a "
           "watch shows one with another step after another leads; it is written at most once "
           "a second.")
    for kind, title in (("kill", "`kill -9` of the leading daemon"),
                        ("delete", "the leader's pod is deleted")):
        one = found[kind]
        yield ""
        yield f"### {title}"
        yield ""
        yield (f"{len(one['trials'])} times in {one['seconds']:.0f} s, among {one['runs']} runs; "
               f"{len(one['lost'])} lost, {one['redriven']} driven again.")
        for problem in one["problems"] + one["lost"][:5]:
            yield f"* {problem}"
        yield ""
        yield from table(["seconds until", *SPREAD[1:]],
                         [[name, *spread(of(one, key), 2)] for key, name in ROWS if of(one, key)])
        yield ""
        yield "A new run's step executed, by seconds:"
        yield ""
        yield from histogram(of(one, "seconds"), 0.25 if kind == "kill" else 0.1, 2)
        yield ""
        if of(one, "underWaySeconds"):
            yield "The run under way goes on, by seconds:"
            yield ""
            yield from histogram(of(one, "underWaySeconds"), 0.25, 2)
