"""How long a person waits for a photograph's class, and what that asks of the API server."""

import bisect
import collections
import time

from audit import WRITES, Log, is_ours, what
from figures import SPREAD, histogram, measure, percentile, spread, table
from harness import HOME, ROOT, World, expect
from seen import Runs
from stage import post, task_graph

RUNS = 50
WARM_UP = 10
PUTS = 3  # before each run
PHOTOGRAPH = ROOT / "examples" / "classify" / "data" / "cat.png"
DEVICES = {
    "storage": {"replicas": 2,
                "adaptor": {"command": ["fractos-adaptor", "storage"],
                            "options": {"root": "/data"}},
                "volume": {"claimTemplate": {"accessModes": ["ReadWriteMany"],
                                             "storageClassName": "fractos-shared",
                                             "resources": {"requests": {"storage": "1Gi"}}}}},
    "cnn": {"replicas": 2, "adaptor": {"command": ["fractos-adaptor", "cnn"]}},
}
GRAPH = task_graph([
    {"name": "read", "device": "storage", "operation": "get", "arguments": {"key": "cat.png"}},
    {"name": "classify", "device": "cnn", "operation": "classify", "inputs": {"image": "read"},
     "arguments": {"top": 3}},
    {"name": "write", "device": "storage", "operation": "put", "inputs": {"data": "classify"},
     "arguments": {"key": "cat.png.class"}}], "classify-")


class Idle:
    """A TaskGraph that nobody drives, since it is over: its status is as large as any run's."""

    def __init__(self, connection, name):
        self._connection = connection
        self._path = World.path("taskgraph", HOME, name)
        self._object = connection.ask("GET", self._path)

    def put(self):
        """Milliseconds of a status PUT, with something changed, or nothing would be written."""
        self._object["status"]["durationMilliseconds"] += 1
        start = time.monotonic()
        self._object = self._connection.ask("PUT", self._path + "/status", self._object)
        return 1000 * (time.monotonic() - start)


def one_run(connection, runs):
    start = time.monotonic()
    name = post(connection, GRAPH)
    end = runs.end(name, 60)
    expect(end and end[1]["succeeded"], f"{name}: {runs.history(name)[-1:]}")
    return name, 1000 * (end[0] - start)


def executions(stage):
    """(seconds, how many) of classify, by the daemons' own count."""
    texts = [stage.scrape(pod["status"]["podIP"]) for pod in stage.pods("cnn")]
    return tuple(sum(stage.metric(text, f"fractos_execution_seconds_{part}", operation="classify")
                     for text in texts) for part in ("sum", "count"))


def count_writes(entries, begun):
    """Of each run, by what was written from its beginning to the next one's: [Counter]; and Pods
    made by anybody."""
    writes, pods = [collections.Counter() for _ in begun], 0
    for entry in entries:
        index = bisect.bisect_right(begun, entry["at"]) - 1
        resource = entry.get("objectRef", {}).get("resource")
        if index < 0 or entry["verb"] not in WRITES:
            continue
        pods += (resource, entry["verb"]) == ("pods", "create")
        if is_ours(entry) and resource != "leases":
            writes[index][what(entry)] += 1
    return writes, pods


def had_barrier(history):
    """Whether the class stood in the record before the step that puts it did."""
    return any("classify" in run["steps"] and "write" not in run["steps"] for _, run in history)


def run(stage):
    stage.devices(DEVICES)
    code, _, said = stage.world.fractos("cp", PHOTOGRAPH, "storage:cat.png")
    expect(code == 0, said)
    runs = Runs(stage.api)
    warm = [one_run(stage.connection, runs)[0] for _ in range(WARM_UP)]
    idle = Idle(stage.connection, warm[-1])
    log, model = Log(stage.audit_log), executions(stage)
    names, begun, taken, puts = [], [], [], []
    for _ in range(RUNS):
        time.sleep(0.1)  # what the last run leaves to be done is not to slow what comes next
        puts += [idle.put() for _ in range(PUTS)]
        begun.append(time.time())
        name, milliseconds = one_run(stage.connection, runs)
        names.append(name)
        taken.append(milliseconds)
    time.sleep(2)  # for writes that come late: events are sent at leisure
    seconds, times = (after - before for after, before in zip(executions(stage), model))
    expect(times >= RUNS, f"{times} executions of classify for {RUNS} runs")
    writes, pods = count_writes(log.entries(stage.connection), begun)
    last = [runs.history(name)[-1][1] for name in names]
    result = {
        "runMilliseconds": taken, "putMilliseconds": puts,
        "modelMilliseconds": 1000 * seconds / times, "executions": times,
        "writes": writes, "podsCreated": pods,
        "redriven": sum(one["redrive"] > 1 for one in last),
        "barriers": sum(had_barrier(runs.history(name)) for name in names)}
    runs.close()
    stage.remove(DEVICES)
    return result


def without_events(writes):
    return sum(count for kind, count in writes.items() if kind.split()[1] != "events")


def measures(found):
    p50, put = (percentile(found[key], 0.5) for key in ("runMilliseconds", "putMilliseconds"))
    return [
        measure("classify_p50_without_model", p50 - found["modelMilliseconds"], "ms", 12,
                baseline=put),
        measure("api_writes_of_a_run_max", max(map(without_events, found["writes"])), "", 4),
        measure("runs_without_barrier", RUNS - found["barriers"], "", 0),
        measure("runs_driven_again", found["redriven"], "", 0),
        measure("pods_created_for_runs", found["podsCreated"], "", 0)]


def page(found):
    runs, puts = found["runMilliseconds"], found["putMilliseconds"]
    kinds = sorted({kind for writes in found["writes"] for kind in writes})
    yield (f"From the POST of a TaskGraph (`storage.get`, `cnn.classify`, `storage.put`; 240 kB of "
           f"photograph) until a watch shows `Succeeded=True`, {RUNS} times, one after the other. "
           f"Before each run {PUTS} status PUTs of a TaskGraph that is over, with a status as "
           "large, on the same connection: they are what a write costs here.")
    yield ""
    yield from table(["ms", *SPREAD[1:]], [["run", *spread(runs)],
                                           ["bare status PUT", *spread(puts, 2)]])
    yield ""
    model, put = found["modelMilliseconds"], percentile(puts, 0.5)
    yield (f"The model took {model:.1f} ms a run, by `fractos_execution_seconds` of the daemons. "
           f"What is left of the p50 is {percentile(runs, 0.5) - model:.1f} ms, or "
           f"{(percentile(runs, 0.5) - model) / put:.1f} PUTs; 12 are allowed.")
    yield ""
    yield "Writes to the API server by operators and daemons, Leases left out:"
    yield ""
    yield from table(["a run's", "fewest", "most", "in all"], [
        [f"`{kind}`", min(w.get(kind, 0) for w in found["writes"]),
         max(w.get(kind, 0) for w in found["writes"]),
         sum(w.get(kind, 0) for w in found["writes"])] for kind in kinds])
    yield ""
    yield (f"Of {RUNS} runs {found['barriers']} had their barrier: the class stood in the record "
           f"before `put` was executed. {found['redriven']} were driven again, and "
           f"{found['podsCreated']} Pods were made by anybody.")
    yield ""
    yield "Runs by milliseconds:"
    yield ""
    yield from histogram(runs, 10, 0)
