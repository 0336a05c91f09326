"""A thousand TaskGraphs at once."""

import threading
import time

import machine
from audit import Log, is_ours
from connection import Connection
from figures import histogram, measure, percentile, spread, table
from harness import expect
from seen import Runs
from stage import post, task_graph

GRAPHS = 1000
STEPS = 8
CONNECTIONS = 8
PATIENCE = 540
MEGABYTE = 1e6
DEVICES = {name: {"replicas": 3, "adaptor": {"command": ["fractos-adaptor", "echo"]}}
           for name in ("here", "there")}
REJECTED = "apiserver_flowcontrol_rejected_requests_total"


def chain():
    """Steps that copy what the one before gave, on two DeviceClusters by turns."""
    names = list(DEVICES)
    steps = [{"name": "say", "device": names[0], "operation": "copy",
              "arguments": {"text": "hello"}}]
    for i in range(1, STEPS):
        steps.append({"name": f"copy{i}", "device": names[i % 2], "operation": "copy",
                      "inputs": {"data": steps[-1]["name"]}})
    return task_graph(steps, "load-", deadline="10m")


def post_all(api):
    """Makes the graphs over several connections; their names, with when each was asked for."""
    graph, made, lock, problems = chain(), [], threading.Lock(), []
    left = iter(range(GRAPHS))

    def work():
        connection = Connection(api)
        try:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                start = time.monotonic()
                name = post(connection, graph)
                with lock:
                    made.append((name, start))
        except OSError as why:
            problems.append(why)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not problems, f"POST: {problems}")
    return made


def operators(stage):
    """The operators' pods by process."""
    pids = {machine.of_pod(pod, "operator", "fractos-operator"): pod["metadata"]["name"]
            for pod in stage.world.operator_pods()}
    expect(None not in pids, f"an operator's process is not found: {pids}")
    return pids


def rejected(connection):
    _, text = connection.text("GET", "/metrics")
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
               if line.startswith(REJECTED))


def run(stage):
    stage.devices(DEVICES)
    runs, log = Runs(stage.api), Log(stage.audit_log)
    pids = operators(stage)
    idle = {pid: machine.peak_memory(pid) for pid in pids}
    refused, used = rejected(stage.connection), machine.processor_seconds()
    start = time.monotonic()
    made = post_all(stage.api)
    posted = time.monotonic()
    ends = [runs.end(name, max(start + PATIENCE - time.monotonic(), 0.001)) for name, _ in made]
    expect(operators(stage) == pids, "an operator was replaced")
    peaks = {name: machine.peak_memory(pid) for pid, name in pids.items()}
    entries = [entry for entry in log.entries(stage.connection)
               if entry.get("responseStatus", {}).get("code") == 429 or is_ours(entry)]
    result = {
        "graphs": len(made),
        "succeeded": sum(end is not None and end[1]["succeeded"] for end in ends),
        "postedSeconds": posted - start,
        "wallSeconds": max((end[0] for end in ends if end), default=posted) - start,
        "latencySeconds": [end[0] - asked for (_, asked), end in zip(made, ends) if end],
        "redriven": sum(bool(end) and end[1]["redrive"] > 1 for end in ends),
        "failures": [end[1]["failure"] for end in ends if end and not end[1]["succeeded"]][:5],
        "peakBytes": peaks, "peakBytesBefore": max(idle.values()),
        "rejected": rejected(stage.connection) - refused,
        "answers429": sum(entry.get("responseStatus", {}).get("code") == 429 for entry in entries),
        "statusWrites": sum(entry["verb"] == "update" and is_ours(entry)
                            and entry["objectRef"].get("resource") == "taskgraphs"
                            for entry in entries),
        "processorSeconds": machine.used_since(used)}
    runs.close()
    stage.remove(DEVICES)
    return result


def measures(found):
    return [
        measure("thousand_graphs_succeeded", found["succeeded"], "", GRAPHS, at_most=False),
        measure("operator_peak_rss", max(found["peakBytes"].values()) / MEGABYTE, "MB", 120),
        measure("requests_refused", found["rejected"] + found["answers429"], "", 0)]


def page(found):
    steps, wall = GRAPHS * STEPS, found["wallSeconds"]
    latency = found["latencySeconds"]
    yield (f"{GRAPHS:,} TaskGraphs of {STEPS} `echo.copy` steps, on two DeviceClusters of three "
           f"replicas by turns, made over {CONNECTIONS} connections. "
           f"{found['succeeded']:,} succeeded, {found['redriven']:,} of all were driven again.")
    for failure in found["failures"]:
        yield f"One that did not: {failure}"
    yield ""
    yield from table(["", ""], [
        ["all are made after", f"{found['postedSeconds']:.1f} s"],
        ["all have succeeded after", f"{wall:.1f} s"],
        ["steps a second", f"{steps / wall:,.0f}"],
        ["status writes a run", f"{found['statusWrites'] / GRAPHS:.2f}"],
        ["most memory resident, by operator, MB",
         ", ".join(f"{peak / MEGABYTE:.1f}" for peak in sorted(found["peakBytes"].values()))],
        ["before", f"{found['peakBytesBefore'] / MEGABYTE:.1f}"],
        ["requests refused by priority and fairness", f"{found['rejected']:.0f}"],
        ["answers with 429 in the audit log", found["answers429"]]])
    yield ""
    yield ("Memory is the kernel's own high-water mark of the process (`VmHWM`), which misses "
           "nothing between samples.")
    yield ""
    yield from table(["seconds from POST to success", "n", "p50", "p90", "p99", "max"],
                     [["run", *spread(latency)]])
    yield ""
    yield "Runs by seconds:"
    yield ""
    yield from histogram(latency, max(percentile(latency, 1) / 12, 0.1))
    yield ""
    yield "Where the processors' time went, in seconds, the bench's own (python3) included:"
    yield ""
    yield from table(["program", "s"], found["processorSeconds"][:12])
