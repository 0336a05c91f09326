"""What is seen of runs and of DeviceClusters by watching them, and when."""

import threading
import time

from connection import Watch
from harness import HOME, World


class Seen:
    """Changes of the objects of a kind by name, each with its time. For any thread."""

    def __init__(self, api, kind):
        self._changed = threading.Condition()
        self._by_name = {}
        self._watch = Watch(api, World.path(kind, HOME), self._take)

    def close(self):
        self._watch.stop()

    def keep(self, thing):
        """Of an object, what is worth keeping."""
        raise NotImplementedError

    def _take(self, thing, deleted, when):
        kept = None if deleted else self.keep(thing)
        with self._changed:
            if kept is not None:
                self._by_name.setdefault(thing["metadata"]["name"], []).append((when, kept))
                self._changed.notify_all()

    def history(self, name):
        with self._changed:
            return list(self._by_name.get(name, []))

    def first(self, name, matches, since=0.0, seconds=60.0):
        """(when, what) of the first change not before `since` that matches; None if there is none
        within `seconds`."""
        end = time.monotonic() + seconds
        looked = 0
        with self._changed:
            while True:
                history = self._by_name.get(name, [])
                while looked < len(history):
                    when, what = history[looked]
                    looked += 1
                    if when >= since and matches(what):
                        return when, what
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if time.monotonic() >= end:
                        return None


class Runs(Seen):
    """TaskGraphs: phase, names of the steps on record, and redrive epoch."""

    def __init__(self, api):
        super().__init__(api, "taskgraph")

    def keep(self, thing):
        status = thing.get("status", {})
        return {"phase": status.get("phase"), "redrive": status.get("redriveEpoch", 0),
                "steps": frozenset(step["name"] for step in status.get("steps", [])),
                "finished": World.condition_of(thing, "Finished").get("status") == "True",
                "succeeded": World.condition_of(thing, "Succeeded").get("status") == "True",
                "failure": status.get("failure")}

    def end(self, name, seconds):
        """(when, what) at which a run was over; None if it is not within `seconds`."""
        return self.first(name, lambda run: run["finished"], seconds=seconds)


class Leaders(Seen):
    """DeviceClusters: who leads, and under which epoch."""

    def __init__(self, api):
        super().__init__(api, "devicecluster")

    def keep(self, thing):
        status = thing.get("status", {})
        return {"epoch": status.get("leaderEpoch", 0),
                "pod": status.get("leader", {}).get("pod")}

    def now(self, name):
        return self.history(name)[-1][1]


class Leases(Seen):
    """Leases: who holds them; "" once one was given back."""

    def __init__(self, api):
        super().__init__(api, "lease")

    def keep(self, thing):
        return thing["spec"].get("holderIdentity") or ""
