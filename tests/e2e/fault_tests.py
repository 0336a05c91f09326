"""Whoever dies in the middle, the run goes on: daemons, nodes, operators, and the release itself."""

import json
import time

from device_tests import cluster, remove
from harness import CHART, HOME, REGISTRY, SYSTEM, expect
from install_tests import SETTINGS

NAPS = 6
DEVICES = ("echo", "math", "storage", "cnn", "caption")


def naps(milliseconds=700):
    """A chain of naps that takes some seconds, and says in the end that it came through."""
    steps = [{"name": "nap0", "device": "echo", "operation": "sleep",
              "arguments": {"ms": milliseconds}}]
    for i in range(1, NAPS):
        steps.append({"name": f"nap{i}", "device": "echo", "operation": "sleep",
                      "arguments": {"ms": milliseconds}, "after": [f"nap{i - 1}"]})
    steps.append({"name": "awake", "device": "math", "operation": "add",
                  "arguments": {"a": "40", "b": "2"}, "after": [f"nap{NAPS - 1}"]})
    return {"deadline": "120s", "steps": steps}


def start(world):
    return world.running(world.create(naps()))


def came_through(world, name, seconds=110):
    graph = world.succeeded(name, seconds)
    expect(world.output(graph, "awake") == "42", graph["status"]["outputs"])
    return graph


def kill(world, pod, program, signal="KILL"):
    """Ends the processes of a program in a pod, as the kernel would."""
    one = world.get("pod", pod)
    ids = [c["containerID"].partition("://")[2] for c in one["status"]["containerStatuses"]
           if c["name"] == program]
    world.cluster("node-exec", one["spec"]["nodeName"], "ctr", "-n", "k8s.io", "tasks", "kill",
                  "--signal", signal, ids[0])


def test_the_leading_daemons_pod_is_deleted_in_mid_run(world):
    name = start(world)
    epoch, leader = world.epoch("echo"), world.leader("echo")
    world.delete("pod", leader)
    came_through(world, name)
    world.wait("somebody took over", lambda: world.epoch("echo") > epoch)
    world.ready("echo")


def test_the_leading_daemon_is_killed_in_mid_run(world):
    world.need_faults()
    name = start(world)
    epoch = world.epoch("echo")
    kill(world, world.leader("echo"), "daemon")
    came_through(world, name)
    world.wait("somebody took over", lambda: world.epoch("echo") > epoch)
    world.ready("echo")


def test_the_leaders_adaptor_is_killed_in_mid_run(world):
    world.need_faults()
    graph = naps()
    for step in graph["steps"]:
        step["retry"] = {"limit": 5, "backoff": "500ms"}
    name = world.running(world.create(graph))
    kill(world, world.leader("echo"), "adaptor")
    came_through(world, name)
    world.ready("echo")


def test_the_leading_operator_is_deleted_in_mid_run(world):
    name = start(world)
    leading = world.leading_operator()
    world.delete("pod", leading, SYSTEM)
    came_through(world, name)
    expect(world.leading_operator() != leading, "it still leads")


def test_the_leading_operator_is_killed_in_mid_run(world):
    name = start(world)
    leading = world.leading_operator()
    world.delete("pod", leading, SYSTEM, grace=0)
    came_through(world, name)
    expect(world.leading_operator() != leading, "it still leads")


def test_a_node_is_cut_off_in_mid_run(world):
    world.need_faults()
    name = start(world)
    node = world.get("pod", world.leader("echo"))["spec"]["nodeName"]
    world.cluster("cut", node)
    try:
        came_through(world, name)
    finally:
        world.cluster("heal", node)
    world.wait("the node is back", lambda: all(
        world.condition_of(one, "Ready").get("status") == "True" for one in world.list("node")))
    for device in DEVICES:
        world.ready(device, seconds=90)


def test_a_node_is_drained_in_mid_run(world):
    name = start(world)
    node = world.get("pod", world.leader("echo"))["spec"]["nodeName"]
    try:
        world.must("drain", node, "--ignore-daemonsets", "--delete-emptydir-data",
                   "--timeout=100s", seconds=110)
        came_through(world, name)
    finally:
        world.must("uncordon", node)
    for device in DEVICES:
        world.ready(device, seconds=90)


def test_the_api_server_is_away_in_mid_run(world):
    world.need_faults()
    name = start(world)
    world.cluster("apiserver", "kill")
    time.sleep(8)  # the outage itself, not a wait for anything
    world.start_api_server()
    came_through(world, name)
    world.wait("the operator is ready again", lambda: all(
        world.condition_of(pod, "Ready").get("status") == "True" for pod in world.operator_pods()))


def test_a_lease_that_is_deleted_by_hand_comes_back(world):
    name = start(world)
    epoch = world.epoch("echo")
    world.delete("lease", "echo")
    came_through(world, name)
    world.wait("the Lease is back and held", lambda: (
        world.get("lease", "echo") or {}).get("spec", {}).get("holderIdentity"))
    world.wait("the epoch was raised", lambda: world.epoch("echo") > epoch)
    # The operator's own, too.
    world.delete("lease", "fractos-operator", SYSTEM)
    world.leading_operator()
    came_through(world, start(world))


def test_a_cluster_that_is_deleted_in_mid_run_ends_the_run_at_its_deadline(world):
    world.apply(cluster("doomed", replicas=1))
    world.ready("doomed")
    name = world.running(world.create({"deadline": "15s", "steps": [
        {"name": "nap", "device": "doomed", "operation": "sleep", "arguments": {"ms": 60000}}]}))
    remove(world, "doomed")
    status = world.finished(name, 30)["status"]
    expect(status["phase"] == "Failed", status)
    expect(status["failure"]["reason"] in ("NoReplica", "DeadlineExceeded"), status["failure"])


def test_in_namespaced_mode_roles_of_the_namespace_are_enough(world):
    went_well, said = world.helm("upgrade", "fractos", CHART, "--wait", "--timeout=120s", *SETTINGS,
                                 "--set", f"watchNamespaces={{{HOME}}}")
    expect(went_well, said)
    bound = [one["metadata"]["name"] for one in world.list("clusterrolebinding")
             if one["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "Helm"]
    expect(not bound, f"it has rights in all namespaces by {bound}")
    came_through(world, start(world))
    world.apply(cluster("local", replicas=1))
    world.ready("local")
    remove(world, "local")


def test_an_upgrade_with_other_values_in_mid_run(world):
    """Of the operator, and of every daemon: the image has another name, so all pods are replaced, one
    DeviceCluster at a time."""
    world.need_faults()
    image = f"{REGISTRY}/fractos/fractos-daemon"
    version = world.get("devicecluster", "echo")["status"]["version"]
    for node in world.list("node"):
        world.cluster("node-exec", node["metadata"]["name"], "ctr", "-n", "k8s.io", "images", "tag",
                      "--force", f"{image}:{version}", f"{image}:next")
    name = world.create({**naps(4000), "deadline": "280s"})
    world.running(name)
    went_well, said = world.helm("upgrade", "fractos", CHART, "--wait", "--timeout=120s", *SETTINGS,
                                 "--set", "logging.level=debug", "--set", "daemon.image.tag=next")
    expect(went_well, said)
    came_through(world, name, 150)

    def upgraded():
        images = {container["image"] for pod in world.list(
            "pod", HOME, "app.kubernetes.io/component=daemon")
            for container in pod["spec"]["containers"] if container["name"] == "daemon"}
        return len(images) == 1 and images.pop().endswith(":next")

    world.wait("all daemons are of the next version", upgraded, 150)
    for device in DEVICES:
        world.ready(device)
    said = json.dumps([c["args"] for c in world.get("deployment", "fractos-operator", SYSTEM)[
        "spec"]["template"]["spec"]["containers"]])
    expect("--log-level=debug" in said, said)
