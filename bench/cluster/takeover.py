"""Disturbs leading daemons, and sees how long it takes until another has taken over."""

import contextlib
import http.client
import os
import signal
import threading
import time

import machine
from connection import Connection
from figures import SPREAD, spread, table
from harness import HOME, World
from seen import Leaders, Leases, Runs
from stage import Stage, post, task_graph

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
        self.one_at_a_time = threading.Lock()
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
                replicas = self._await_replicas()
                with self._turn():
                    self._trials.found.append(self._disturb(*replicas))
        except Exception as problem:  # pylint: disable=broad-except
            self._trials.problems.append(f"{self._device}: {problem!r}")
        finally:
            self._connection.close()

    def _turn(self):
        """Kills may come together, for what is waited for then is a Lease that runs out."""
        return (self._trials.one_at_a_time if self._kind == "delete"
                else contextlib.nullcontext())

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
        """Until two replicas are ready, or before a deletion all, for so does a roll-out, and one
        of them leads: (its pod, the daemon's process, the addresses of all)."""
        enough = 2 if self._kind == "kill" else SPEC["replicas"]
        path = World.path("pod", HOME) + f"?labelSelector=fractos.dev/devicecluster={self._device}"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pods = self._connection.ask("GET", path)["items"]
            ready = {pod["metadata"]["name"]: pod for pod in pods
                     if World.condition_of(pod, "Ready").get("status") == "True"
                     and "deletionTimestamp" not in pod["metadata"]}
            leader = self._leaders.now(self._device)["pod"]
            if len(ready) >= enough and leader in ready:
                pid = machine.of_pod(ready[leader], "daemon", "fractos-daemon")
                if pid is not None and self._has_enough():
                    return leader, pid, [
                        one["status"]["podIP"] for one in pods if "podIP" in one["status"]]
                if pid is not None:
                    self._begin_chain()
                    continue
            time.sleep(0.2)
        raise RuntimeError(f"not enough replicas of {self._device} are ready with one that leads: "
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


def of(found, which):
    return [trial[which] for trial in found["trials"] if trial[which] is not None]


def campaign(stage, kind, devices, count):
    """Disturbs all of these at the same time, `count` times together."""
    specs = {**{device: SPEC for device in devices}, GROUND: SPEC}
    stage.devices(specs)
    seen = Runs(stage.api), Leaders(stage.api), Leases(stage.api)
    trials, runs, start = Trials(count), seen[0], time.monotonic()
    threads = [Disturber(stage, device, kind, trials, seen) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - start
    ends = {name: runs.end(name, 120) for name in trials.runs}
    for one in seen:
        one.close()
    stage.remove(specs)
    return {"trials": trials.found, "problems": trials.problems, "seconds": taken,
            "runs": len(ends), "lost": [
                (name, end and end[1]["failure"]) for name, end in ends.items()
                if end is None or not end[1]["succeeded"]],
            "redriven": sum(bool(end) and end[1]["redrive"] > 1 for end in ends.values())}


ROWS = [("freeSeconds", "the Lease is given back"), ("epochSeconds", "another leads"),
        ("seconds", "a new run's step executed"), ("underWaySeconds", "the run under way goes on"),
        ("recordedSeconds", "its record does"),
        ("longestProbeSeconds", "longest that a new run took")]


def table_of(found):
    yield (f"{len(found['trials'])} times in {found['seconds']:.0f} s, among {found['runs']} runs; "
           f"{len(found['lost'])} lost, {found['redriven']} driven again.")
    for problem in found["problems"] + found["lost"][:5]:
        yield f"* {problem}"
    yield ""
    yield from table(["seconds until", *SPREAD[1:]],
                     [[name, *spread(of(found, key), 2)] for key, name in ROWS if of(found, key)])
