"""Bringing the cluster up, and taking it down so that nothing is left."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import time

import api
import cgroups
import certificates
import control_plane
import layout
import network
import processes
import programs
from errors import ClusterError
from node import Node
from sandbox import Sandbox

NEEDED = ["buildah", "containerd", "conntrack", "ctr", "curl", "gcc", "ip", "iptables", "mount",
          "nsenter", "openssl", "runc", "unshare"]


def require_root():
    if os.geteuid() != 0:
        raise ClusterError("this takes root, for namespaces, cgroups and mounts: sudo -E, or "
                           "KUBECONFIG= with a cluster that is there already")


def _require_packages():
    missing = [name for name in NEEDED if not shutil.which(name, path=layout.ENVIRONMENT["PATH"])]
    if missing:
        raise ClusterError(f"not installed: {', '.join(missing)}: tools/deps.sh cluster")


def node_numbers():
    """The numbers of the nodes that `up` has made."""
    names = [record.name for record in processes.records()]
    return [layout.node_number(name) for name in names if re.fullmatch(r"node\d+", name)]


def ended():
    """The names of processes that should run and do not."""
    return [record.name for record in processes.records() if record.pid() is None]


def up(count):
    """Makes a cluster of that many nodes. On a running one it says so and is done."""
    require_root()
    _require_packages()
    programs.build(programs.CLUSTER)
    if processes.records():
        running, broken = len(node_numbers()), ended()
        if not broken and running > 0 and api.Api().ready():
            if running != count:
                raise ClusterError(f"a cluster of {running} nodes is up, not of {count}: "
                                   "make cluster-down first")
            print(f"cluster: up already, {count} nodes; KUBECONFIG={layout.KUBECONFIG}")
            return
        print("cluster: taking down the remains of one first",
              f"(ended: {', '.join(broken)})" if broken else "(its API server does not answer)")
        down()
    started = time.monotonic()
    _require_disk()
    network.require_free_ranges()
    try:
        _make(range(1, count + 1))
    except ClusterError as error:
        raise ClusterError(f"{error}\nWhat there is of the cluster is left to be looked at, logs "
                           f"in {layout.LOGS}: then make cluster-down") from error
    print(f"cluster: up with {count} node{'s' if count > 1 else ''} after "
          f"{time.monotonic() - started:.1f} s; KUBECONFIG={layout.KUBECONFIG}")


def _make(numbers):
    _make_folders()
    nodes = [Node(number) for number in numbers]
    control = Sandbox(layout.CONTROL)
    certificates.make(numbers)
    certificates.kubeconfig("admin", layout.KUBECONFIG)
    control.create()
    network.make_switch(control)
    control_plane.start_etcd(control)
    control_plane.start_apiserver(control)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # While the API server starts, which takes longest.
        list(pool.map(lambda node: node.make(control, numbers), nodes))
    network.route_to_nodes(control, numbers)
    control_plane.await_apiserver()
    control_plane.start_rest(control)
    for node in nodes:
        node.start()
    kubectl("apply", "--filename", layout.HERE / "manifests", seconds=60)
    _await_cluster(control, nodes)


def down():
    """Takes everything down that `up` made, in whatever state it is. Whether there was anything."""
    require_root()
    if not layout.STATE.exists():
        return False
    # Nodes first: a kubelet that loses its API server would only log about it.
    holders = [*map(layout.node_name, node_numbers()), layout.CONTROL]
    for name in holders:
        if not Sandbox(name).destroy():
            raise ClusterError(f"{name} (pid {processes.Record(name).pid()}) does not end, even "
                               "by SIGKILL: is the disk stuck?")
    for record in processes.records():
        # The kernel has killed them with their namespaces; this waits until they are gone.
        if not record.kill():
            raise ClusterError(f"{record.name} (pid {record.pid()}) does not end")
    network.unplug()
    cgroups.remove_all()
    _remove_state()
    return True


def kubectl(*arguments, seconds=30):
    """Runs kubectl as the administrator; what it prints."""
    outcome = subprocess.run(
        [str(programs.path("kubectl")), f"--kubeconfig={layout.KUBECONFIG}",
         f"--cache-dir={layout.STATE}/kubectl", *map(str, arguments)],
        capture_output=True, text=True, timeout=seconds, env=layout.ENVIRONMENT)
    if outcome.returncode != 0:
        raise ClusterError(f"kubectl {arguments[0]} failed: {outcome.stderr.strip()[-1000:]}")
    return outcome.stdout


def _require_disk():
    there = next(folder for folder in layout.STATE.parents if folder.exists())
    kind = subprocess.run(["stat", "--file-system", "--format=%T", there],
                          capture_output=True, text=True).stdout.strip()
    if kind in ("tmpfs", "overlayfs"):
        raise ClusterError(f"{there} is on {kind}, where containerd cannot keep images: set "
                           "FRACTOS_CLUSTER_DIR to a folder on a disk")


def _make_folders():
    for folder in (layout.STATE, layout.PROCESSES, layout.LOGS, layout.VOLUMES):
        folder.mkdir(parents=True, exist_ok=True)
    layout.STATE.chmod(0o711)


def _await_cluster(control, nodes):
    client = api.Api()

    def all_ready():
        broken = ended()
        if broken:
            raise ClusterError("\n".join(
                [f"ended while the cluster came up: {', '.join(broken)}",
                 *(processes.Record(name).last_words() for name in broken)]))
        there = {item["metadata"]["name"]: item for item in client.get("/api/v1/nodes")["items"]}
        return len(there) == len(nodes) and all(map(is_ready, there.values()))

    def exists(path):
        try:
            return client.get(path)
        except api.ApiError as error:
            if error.code == 404:
                return None
            raise

    def names_resolve():
        try:
            return control.run(["curl", "--silent", "--fail", "--max-time", "2",
                                "http://127.0.0.1:8181/ready"])
        except ClusterError:
            return None

    processes.eventually(all_ready, 60, f"nodes to be Ready, see {layout.LOGS}", interval=0.1)
    # Pods are refused until it is there, which is a moment after the first node is Ready.
    processes.eventually(lambda: exists("/api/v1/namespaces/default/serviceaccounts/default"), 30,
                         "service account default", interval=0.1)
    processes.eventually(names_resolve, 30, f"CoreDNS, see {layout.LOGS}/coredns.log", interval=0.1)


def is_ready(node):
    """Whether a node, as the API server gives it, is Ready."""
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in node["status"].get("conditions", []))


def _remove_state():
    with open("/proc/self/mountinfo") as mounts:
        inside = [line.split()[4] for line in mounts
                  if line.split()[4].startswith(f"{layout.STATE}/")]
    if inside:  # none of ours: ours are in the nodes' namespaces
        raise ClusterError(f"{layout.STATE} is kept, for there are mounts in it: umount "
                           f"{' '.join(inside)}")
    # A container's overlay may hold a folder for a moment after it is gone.
    processes.eventually(lambda: shutil.rmtree(layout.STATE, ignore_errors=True) or
                         not layout.STATE.exists(), 10, f"removing {layout.STATE}")
