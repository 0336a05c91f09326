"""DeviceClusters: what is made of them, what they show, and how they are changed."""

import json
import time

from harness import HOME, expect, words


def cluster(name, **spec):
    adaptor = {"command": ["fractos-adaptor", spec.pop("device", "echo")]}
    adaptor.update(spec.pop("adaptor", {}))
    return json.dumps({"apiVersion": "fractos.dev/v1alpha1", "kind": "DeviceCluster",
                       "metadata": {"name": name}, "spec": {"adaptor": adaptor, **spec}})


def remove(world, name):
    world.delete("devicecluster", name)
    world.wait(f"the pods of {name} are gone",
               lambda: world.list("pod", labels=f"fractos.dev/devicecluster={name}") == [])


def test_it_shows_what_it_offers_and_who_leads(world):
    header, *rows = words(world.must("get", "dcl", f"--namespace={HOME}"))
    expect(header[:2] == ["NAME", "READY"], header)
    expect({"LEADER", "EPOCH", "VERSION", "AGE"} <= set(header), header)
    expect(len(rows) >= 5, rows)
    status = world.get("devicecluster", "storage")["status"]
    expect(status["readyReplicas"] == 3, status)
    expect(status["leader"]["pod"].startswith("storage-"), status)
    expect(status["leaderEpoch"] >= 1, status)
    expect(status["version"], status)
    put = [one for one in status["operations"] if one["name"] == "put"][0]
    expect(put["effect"] == "idempotent", put)
    for which, wanted in (("Accepted", "True"), ("Ready", "True"), ("Progressing", "False"),
                          ("Degraded", "False")):
        condition = world.condition("devicecluster", "storage", which)
        expect(condition["status"] == wanted, condition)
        expect(condition["observedGeneration"] == 1, condition)


def test_what_is_made_of_it_is_its_own_and_mended(world):
    for kind, name in (("service", "echo"), ("serviceaccount", "echo-daemon"),
                       ("role", "echo-daemon"), ("rolebinding", "echo-daemon"),
                       ("networkpolicy", "echo-daemon"), ("budget", "echo-daemon"),
                       ("lease", "echo"), ("statefulset", "echo")):
        one = world.get(kind, name)
        expect(one is not None, f"there is no {kind} {name}")
        owner = one["metadata"]["ownerReferences"][0]
        expect(owner["kind"] == "DeviceCluster" and owner["name"] == "echo", owner)
    world.delete("networkpolicy", "echo-daemon")
    world.wait("the NetworkPolicy is made again",
               lambda: world.get("networkpolicy", "echo-daemon"))


def test_scaling_adds_and_removes_replicas(world):
    for replicas in (4, 3):
        world.must("scale", "dcl/echo", f"--replicas={replicas}", f"--namespace={HOME}")
        world.ready("echo", replicas)


def test_one_replica_has_no_budget(world):
    expect(world.get("budget", "caption-daemon") is None, "a drain could never end")


def test_a_changed_template_rolls_with_the_leader_last(world):
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"]
              for pod in world.list("pod", labels="fractos.dev/devicecluster=echo")}
    leader = world.leader("echo")
    world.patch("devicecluster", "echo",
                {"spec": {"template": {"metadata": {"annotations": {"rolled": str(time.time())}}}}})
    replaced = []

    def watch():
        for pod in world.list("pod", labels="fractos.dev/devicecluster=echo"):
            name = pod["metadata"]["name"]
            if pod["metadata"]["uid"] != before[name] and name not in replaced:
                replaced.append(name)
        return len(replaced) == len(before)

    world.wait("all pods are replaced", watch, 90)
    expect(replaced[-1] == leader, f"{leader} led, and pods were replaced as {replaced}")
    world.ready("echo")


def test_a_manual_one_is_rolled_by_deleting_its_pods(world):
    world.apply(cluster("by-hand", replicas=1, updatePolicy="Manual"))
    world.ready("by-hand")
    uid = world.get("pod", "by-hand-0")["metadata"]["uid"]
    world.patch("devicecluster", "by-hand",
                {"spec": {"template": {"metadata": {"annotations": {"rolled": "once"}}}}})
    world.wait("it says that pods are of before", lambda: "delete them" in world.condition(
        "devicecluster", "by-hand", "Progressing")["message"])
    expect(world.get("pod", "by-hand-0")["metadata"]["uid"] == uid, "it was replaced")
    world.delete("pod", "by-hand-0")
    world.wait("the new pod is of the new template", lambda: world.get("pod", "by-hand-0") and
               world.get("pod", "by-hand-0")["metadata"].get("annotations", {}).get("rolled"))
    world.ready("by-hand")
    remove(world, "by-hand")


def test_a_template_says_where_pods_go_and_what_they_get(world):
    node = world.list("node")[-1]["metadata"]["name"]
    world.apply(cluster("placed", replicas=1, template={
        "nodeSelector": {"kubernetes.io/hostname": node},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "tolerations": [{"key": "example.com/gpu", "operator": "Exists"}]}))
    world.ready("placed")
    pod = world.get("pod", "placed-0")
    expect(pod["spec"]["nodeName"] == node, pod["spec"]["nodeName"])
    adaptor = [c for c in pod["spec"]["containers"] if c["name"] == "adaptor"][0]
    expect(adaptor["resources"]["requests"] == {"cpu": "20m", "memory": "32Mi"},
           adaptor["resources"])
    seconds = {t["key"]: t.get("tolerationSeconds") for t in pod["spec"]["tolerations"]}
    expect(seconds["node.kubernetes.io/unreachable"] == 30, seconds)
    expect("example.com/gpu" in seconds, seconds)
    remove(world, "placed")


def test_a_volume_is_kept_when_the_cluster_is_deleted(world):
    world.apply(cluster("keeper", device="storage", replicas=1,
                        adaptor={"options": {"root": "/data"}},
                        volume={"claimTemplate": {"accessModes": ["ReadWriteOnce"],
                                                  "resources": {"requests": {"storage": "1Gi"}}}}))
    world.ready("keeper")
    name = world.create({"steps": [
        {"name": "say", "device": "echo", "operation": "copy", "arguments": {"text": "kept"}},
        {"name": "keep", "device": "keeper", "operation": "put", "inputs": {"data": "say"},
         "arguments": {"key": "note"}}]})
    world.succeeded(name)
    claim = [v["persistentVolumeClaim"]["claimName"] for v in world.get(
        "pod", "keeper-0")["spec"]["volumes"] if "persistentVolumeClaim" in v][0]
    spec = world.get("devicecluster", "keeper")["spec"]
    remove(world, "keeper")
    expect(world.get("claim", claim) is not None, f"the claim {claim} is gone")
    world.apply(json.dumps({"apiVersion": "fractos.dev/v1alpha1", "kind": "DeviceCluster",
                            "metadata": {"name": "keeper"}, "spec": spec}))
    world.ready("keeper")
    graph = world.succeeded(world.create({"steps": [
        {"name": "read", "device": "keeper", "operation": "get", "arguments": {"key": "note"}}]}))
    expect(world.output(graph, "read") == "kept", graph["status"]["outputs"])
    remove(world, "keeper")
    world.delete("claim", claim)


def test_a_stateful_device_with_replicas_needs_a_shared_volume(world):
    """Only the device knows whether it keeps state: it is asked, and then refused."""
    world.apply(cluster("torn", device="storage", replicas=2, adaptor={"options": {"root": "/tmp"}}))
    condition = world.wait("it is refused", lambda: (
        lambda c: c if c.get("status") == "False" else None)(
            world.condition("devicecluster", "torn", "Accepted")))
    expect(condition["reason"] == "NeedsSharedVolume", condition)
    expect("ReadWriteMany" in condition["message"], condition)
    remove(world, "torn")


def test_another_namespace_needs_access(world):
    other = "visitors"
    if world.get("namespace", other) is None:
        world.must("create", "namespace", other)
    spec = {"steps": [{"name": "say", "device": f"{HOME}/echo", "operation": "copy",
                       "arguments": {"text": "hello"}}]}
    refused = world.finished(world.create(spec, other), namespace=other)
    condition = world.condition_of(refused, "Accepted")
    expect(condition["status"] == "False" and "may not be used" in condition["message"], condition)
    expect("spec.steps[0].device" in condition["message"], condition)
    world.patch("devicecluster", "echo", {"spec": {"access": {"namespaces": [other]}}})
    try:
        # The patch may reach the operator after the graph does.
        def allowed():
            graph = world.finished(world.create(spec, other), namespace=other)
            return graph["status"]["phase"] == "Succeeded"
        world.wait("it is let in", allowed, 20)
    finally:
        world.patch("devicecluster", "echo", {"spec": {"access": None}})
        world.must("delete", "namespace", other, "--wait=false")
