"""What tests do to a running cluster."""
import json

import layout
import processes
from errors import ClusterError


def cut(node, direction="both", loss=None):
    """Cuts a node's cable, for what comes in, what goes out, or both; or has it lose a part.
    Packets vanish, as on a real cut: nobody is told. A second cut adds to the first."""
    chance = [] if loss is None else ["-m", "statistic", "--mode", "random",
                                      "--probability", str(loss)]
    rules = []
    if direction in ("in", "both"):
        rules.append(["raw", "PREROUTING", "-i"])
    if direction in ("out", "both"):
        rules.append(["mangle", "POSTROUTING", "-o"])
    for table, chain, side in rules:
        node.sandbox.run(["iptables", "-w", "-t", table, "-A", chain, side, "eth0", *chance,
                          "-j", "DROP"])


def heal(node):
    """Takes back every cut. kube-proxy keeps nothing in these two chains."""
    node.sandbox.run(["iptables", "-w", "-t", "raw", "-F", "PREROUTING"])
    node.sandbox.run(["iptables", "-w", "-t", "mangle", "-F", "POSTROUTING"])


def compact(control):
    """Has etcd forget every revision but the newest; that one. Whoever goes on with a list or a
    watch from an older one that the API server has to ask etcd for then gets 410 Gone."""
    revision = int(_etcd(control, "kv/range", {"key": "AA=="})["header"]["revision"])
    _etcd(control, "kv/compaction", {"revision": revision, "physical": True})
    return revision


def _etcd(control, call, body):
    answer = control.run(["curl", "--silent", "--show-error", "--max-time", "10",
                          "--data", json.dumps(body), f"{layout.ETCD}/v3/{call}"])
    answer = json.loads(answer)
    if "header" not in answer:
        raise ClusterError(f"etcd's {call} failed: {answer}, see {processes.Record('etcd').log}")
    return answer
