"""What is wrong is refused, by the API server or by the operator, and nothing runs."""

import json
import re

from device_tests import cluster, remove
from harness import HOME, ROOT, documents, expect

INVALID = ROOT / "tests" / "invalid"


def refused(world, spec):
    code, said = world.post("taskgraph", {
        "apiVersion": "fractos.dev/v1alpha1", "kind": "TaskGraph",
        "metadata": {"generateName": "bad-"}, "spec": spec})
    expect(code in (400, 422), f"it was accepted: {said}")
    return said["message"]


def not_accepted(world, spec):
    name = world.create(spec)
    graph = world.finished(name, 20)
    condition = world.condition_of(graph, "Accepted")
    expect(condition["status"] == "False", condition)
    expect(graph["status"].get("steps", []) == [], graph["status"])
    events = world.wait("an event says so", lambda: world.events(name))
    expect(events[0][0] == "Warning", events)
    return condition["message"]


def test_the_api_server_refuses_what_refers_downwards(world):
    said = refused(world, {"steps": [
        {"name": "a", "device": "echo", "operation": "copy", "inputs": {"data": "b"}},
        {"name": "b", "device": "echo", "operation": "copy", "arguments": {"text": "x"}}]})
    expect("spec.steps[0].inputs.data" in said, said)


def test_a_graph_cannot_be_changed(world):
    name = world.create({"steps": [{"name": "say", "device": "echo", "operation": "copy",
                                    "arguments": {"text": "hello"}}]})
    code, said = world.patch("taskgraph", name, {"spec": {"mode": "Centralized"}})
    expect(code == 422 and "immutable" in said["message"], said)
    code, said = world.patch("taskgraph", name, {"spec": {"ttlSecondsAfterFinished": 60}})
    expect(code == 200, said)


def test_an_unknown_operation_is_not_accepted_and_the_nearest_is_named(world):
    said = not_accepted(world, {"steps": [{"name": "say", "device": "echo", "operation": "coppy",
                                           "arguments": {"text": "hello"}}]})
    expect("spec.steps[0].operation" in said and '"copy"' in said, said)


def test_a_wrong_argument_is_not_accepted(world):
    said = not_accepted(world, {"steps": [{"name": "nap", "device": "echo", "operation": "sleep",
                                           "arguments": {"ms": "long"}}]})
    expect("spec.steps[0].arguments.ms" in said, said)


def judged_by_the_operator():
    """The files of tests/invalid that the API server accepts and the operator must not: their names.
    tests/crds holds the others to what the API server says of them."""
    rows = (ROOT / "tests" / "crds" / "expectations.txt").read_text().splitlines()
    return [row.split()[0] for row in rows
            if not row.startswith("#") and row.split()[1:2] == ["operator"]]


def test_the_operator_says_of_invalid_graphs_what_validate_says(world):
    """Each line that `fractosctl validate` prints, less file and place, is in the condition."""
    names = judged_by_the_operator()
    made = {}
    for name in names:
        graph = [one for one in documents(INVALID / f"{name}.yaml") if one["kind"] == "TaskGraph"][0]
        graph["metadata"] = {"generateName": "bad-"}
        made[name] = world.create(graph)
    wrong = []
    for name, graph in made.items():
        condition = world.wait(f"{name} is judged", lambda graph=graph: (
            lambda c: c if c.get("status") == "False" or c.get("reason") == "WaitingForDevice"
            else None)(world.condition("taskgraph", graph, "Accepted")))
        for line in (INVALID / f"{name}.expected").read_text().splitlines():
            said = re.sub(r"^[^ ]+:\d+:\d+: ", "", line)
            field = said.partition(": ")[0]
            if field not in condition["message"]:
                wrong.append(f"{name}: {field} is not named: {condition['message']}")
        world.delete("taskgraph", graph)
    expect(not wrong, "\n".join(wrong))
    expect(len(names) >= 20, f"only {len(names)} files were tried")


def test_a_device_that_is_not_there_yet_is_waited_for(world):
    name = world.create({"deadline": "60s", "steps": [
        {"name": "say", "device": "late", "operation": "copy", "arguments": {"text": "hello"}}]})
    world.wait("the condition says so", lambda: "late" in world.condition(
        "taskgraph", name, "Accepted").get("message", ""))
    world.apply(cluster("late", replicas=1))
    world.succeeded(name)
    remove(world, "late")


def test_a_device_that_never_comes_ends_the_run_at_its_deadline(world):
    graph = world.finished(world.create({"deadline": "3s", "steps": [
        {"name": "say", "device": "ehco", "operation": "copy", "arguments": {"text": "hello"}}]}))
    expect(graph["status"]["failure"]["reason"] == "UnknownDevice", graph["status"])
    expect('did you mean "echo"' in graph["status"]["failure"]["message"], graph["status"])


def degraded(world, name):
    return world.wait(f"{name} is degraded", lambda: (
        lambda c: c if c.get("status") == "True" else None)(
            world.condition("devicecluster", name, "Degraded")), 90)


def test_an_image_that_cannot_be_pulled_is_degraded_with_the_reason(world):
    world.apply(cluster("nowhere", replicas=1, adaptor={"image": "localhost/none/such:1"}))
    condition = degraded(world, "nowhere")
    expect(condition["reason"] in ("ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull"),
           condition)
    expect("nowhere-0" in condition["message"], condition)
    remove(world, "nowhere")


def test_an_adaptor_that_crashes_is_degraded_with_the_reason(world):
    world.apply(cluster("crashes", replicas=1,
                        adaptor={"command": ["fractos-adaptor", "no-such-device"]}))
    condition = degraded(world, "crashes")
    expect(condition["reason"] in ("CrashLoopBackOff", "Error"), condition)
    expect("adaptor" in condition["message"], condition)
    # Mended by hand, it gets well by itself.
    world.patch("devicecluster", "crashes",
                {"spec": {"adaptor": {"command": ["fractos-adaptor", "echo"]}}})
    world.ready("crashes")
    remove(world, "crashes")


def test_a_right_that_is_missing_is_named_and_its_return_noticed(world):
    role = [one for one in world.list("clusterrole") if one["metadata"]["name"].startswith("fractos")
            and any("statefulsets" in rule.get("resources", []) for rule in one.get("rules", []))][0]
    name, rules = role["metadata"]["name"], role["rules"]
    without = [rule for rule in rules if "statefulsets" not in rule.get("resources", [])]
    world.patch("clusterrole", name, {"rules": without})
    try:
        world.apply(cluster("unmade", replicas=1))
        said = world.wait("an event names what is missing", lambda: [
            message for kind, _, message in world.events("unmade")
            if kind == "Warning" and "statefulsets" in message])
        expect("cannot get resource" in said[0], said)
    finally:
        world.patch("clusterrole", name, {"rules": rules})
    world.ready("unmade")
    remove(world, "unmade")
