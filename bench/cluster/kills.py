"""How long a DeviceCluster does nothing when its leader is killed."""

from figures import histogram, measure, percentile
from takeover import ENOUGH, LEASE, NAP, NAPS, QUIET, campaign, of, table_of

KILLS = 300
AT_ONCE = 8  # DeviceClusters, each disturbed by a thread of its own: 300 in five minutes
DEVICES = [f"echo{i}" for i in range(AT_ONCE)]


def run(stage):
    return campaign(stage, "kill", DEVICES, KILLS)


def measures(found):
    return [
        measure("leaders_killed", len(found["trials"]), "", KILLS, at_most=False),
        measure("next_step_after_kill_p99", percentile(of(found, "seconds"), 0.99), "s", 7),
        measure("next_step_of_run_under_way_after_kill_p99",
                percentile(of(found, "underWaySeconds"), 0.99), "s", 7),
        measure("runs_lost_by_kills", len(found["lost"]), "", 0)]


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
    yield ""
    yield from table_of(found)
    yield ""
    yield "A new run's step executed, by seconds:"
    yield ""
    yield from histogram(of(found, "seconds"), 0.25, 2)
    yield ""
    yield "The run under way goes on, by seconds:"
    yield ""
    yield from histogram(of(found, "underWaySeconds"), 0.25, 2)
