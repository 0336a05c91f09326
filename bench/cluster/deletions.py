"""How long a DeviceCluster does nothing when its leader's pod is deleted, as by a roll-out."""

from figures import histogram, measure
from takeover import campaign, of, table_of

DELETIONS = 60
LATE = 0.5
# Four, since a daemon that is told to end serves its values for a while, which takes time.
DEVICES = [f"echo{i}" for i in range(4)]


def run(stage):
    return campaign(stage, "delete", DEVICES, DELETIONS)


def measures(found):
    return [
        measure("leaders_pods_deleted", len(found["trials"]), "", DELETIONS, at_most=False),
        measure("next_step_after_deletion_max", max(of(found, "seconds")), "s", 1.5),
        measure("runs_lost_by_deletions", len(found["lost"]), "", 0)]


def page(found):
    yield (f"As above, but of {len(DEVICES)} DeviceClusters, no two at the same time, and each "
           "only when all of its three replicas are ready again: so does a roll-out. The time "
           "includes the kubelet's, from the DELETE until it tells the daemon to end.")
    yield ""
    yield from table_of(found)
    yield ""
    late = [trial for trial in found["trials"] if trial["seconds"] > trial["epochSeconds"] + LATE]
    yield (f"Another led after {max(of(found, 'epochSeconds')):.2f} s at most. {len(late)} times "
           f"of {len(found['trials'])} the run that was made when the pod was deleted ended more "
           f"than {LATE} s after that: it is not the election that takes long then, but that run's "
           "way to the new leader.")
    yield ""
    yield "A new run's step executed, by seconds:"
    yield ""
    yield from histogram(of(found, "seconds"), 0.1, 2)
