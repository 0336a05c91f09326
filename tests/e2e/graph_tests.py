"""Graphs that run: the applications, how runs end, and what is seen of them."""

from harness import HOME, ROOT, example, expect, words

PHOTOGRAPHS = ROOT / "examples" / "classify" / "data"


def put(world, file, key):
    """A file into the storage, as a person would."""
    code, _, said = world.fractos("cp", file, f"storage:{key}")
    expect(code == 0, f"cp {file} storage:{key}: {said}")


def hello(**fields):
    return {"steps": [{"name": "say", "device": "echo", "operation": "copy",
                       "arguments": {"text": "hello"}}], **fields}


def test_power_grows_while_it_runs(world):
    graph = world.succeeded(world.create(example("power/power.yaml", base="3", exponent="30")))
    expect(world.output(graph, "show") == str(3**30), graph["status"]["outputs"])
    expect(graph["status"]["transfer"]["hops"] >= 2, graph["status"]["transfer"])
    expect(len(graph["status"]["steps"]) == 32, graph["status"]["ready"])


def test_classify_says_what_the_photograph_shows(world):
    put(world, PHOTOGRAPHS / "cat.png", "cat.png")
    graph = world.succeeded(world.create(example("classify/classify.yaml")))
    expect("cat" in world.output(graph, "show"), graph["status"]["outputs"])


def test_classify_centralized_gives_the_same_and_moves_more(world):
    put(world, PHOTOGRAPHS / "cat.png", "cat.png")
    answers, moved = [], []
    for mode in ("Distributed", "Centralized"):
        graph = example("classify/classify.yaml")
        graph["spec"]["mode"] = mode
        done = world.succeeded(world.create(graph))
        answers.append(world.output(done, "show"))
        moved.append(done["status"]["transfer"]["bytes"])
    expect(answers[0] == answers[1], answers)
    expect(moved[1] > 1.5 * moved[0], moved)


def test_fan_out_joins_again(world):
    for name in ("cat.png", "coffee.png", "rocket.jpg"):
        put(world, PHOTOGRAPHS / name, name)
    graph = example("fan-out/fan-out.yaml")
    for step in graph["spec"]["steps"]:
        step["device"] = {"photographs": "storage", "reports": "storage"}.get(
            step["device"], step["device"])
    report = world.output(world.succeeded(world.create(graph)), "show")
    expect(len(report.splitlines()) == 3 and "cat" in report, report)


def test_a_device_in_python_takes_part(world):
    for name in ("cat.png", "coffee.png"):
        put(world, PHOTOGRAPHS / name, name)
    graph = example("python-adaptor/python-adaptor.yaml")
    for step in graph["spec"]["steps"]:
        step["device"] = {"photographs": "storage"}.get(step["device"], step["device"])
    done = world.succeeded(world.create(graph))
    expect("Two photographs" in world.output(done, "page"), done["status"]["outputs"])


def test_kubectl_shows_a_run(world):
    name = world.create(example("power/power.yaml", base="2", exponent="5"))
    world.must("wait", "--for=condition=Finished", f"taskgraph/{name}", f"--namespace={HOME}",
               "--timeout=30s")
    world.must("wait", "--for=condition=Succeeded", f"taskgraph/{name}", f"--namespace={HOME}",
               "--timeout=5s")
    header, row = words(world.must("get", "tg", name, f"--namespace={HOME}"))
    expect(header[:5] == ["NAME", "STATUS", "READY", "HOPS", "BYTES"], header)
    expect(row[1] == "Succeeded" and row[2] == "7/7", row)
    described = world.must("describe", "tg", name, f"--namespace={HOME}")
    expect("Succeeded" in described and "7 steps" in described, described)


def test_a_run_has_one_event(world):
    name = world.create(hello())
    world.succeeded(name)
    events = world.wait("there is an event", lambda: world.events(name))
    expect([(kind, reason) for kind, reason, _ in events] == [("Normal", "Succeeded")], events)


def test_conditions_tell_how_it_stands(world):
    graph = world.succeeded(world.create(hello()))
    for which in ("Accepted", "Succeeded", "Finished"):
        condition = world.condition_of(graph, which)
        expect(condition["status"] == "True", condition)
        expect(condition["observedGeneration"] == 1, condition)
    status = graph["status"]
    expect(status["redriveEpoch"] == 1 and status["ready"] == "1/1", status)
    expect(status["completionTime"] >= status["startTime"], status)


def test_large_outputs_are_told_by_digest_and_size(world):
    graph = world.succeeded(world.create({"steps": [
        {"name": "big", "device": "math", "operation": "factorial", "arguments": {"n": "9000"}}]}))
    output = graph["status"]["outputs"][0]
    expect(output["size"] > 16384 and output["digest"].startswith("sha256:"), output)
    expect("text" not in output, "it is inline")


def test_a_failure_runs_on_failure_and_says_why(world):
    graph = world.finished(world.create({
        "steps": [{"name": "divide", "device": "math", "operation": "divide",
                   "arguments": {"a": "1", "b": "0"}}],
        "onFailure": [{"name": "sorry", "device": "echo", "operation": "copy",
                       "arguments": {"text": "$(failure.step): $(failure.reason)"}}],
    }))
    expect(graph["status"]["phase"] == "Failed", graph["status"])
    expect(graph["status"]["failure"]["step"] == "divide", graph["status"]["failure"])
    expect(world.output(graph, "sorry").startswith("divide: "), graph["status"]["outputs"])


def test_when_skips_a_step(world):
    graph = world.succeeded(world.create({"steps": [
        {"name": "one", "device": "echo", "operation": "copy", "arguments": {"text": "left"}},
        {"name": "left", "device": "echo", "operation": "copy", "inputs": {"data": "one"},
         "when": {"input": "data", "equals": "left"}},
        {"name": "right", "device": "echo", "operation": "copy", "inputs": {"data": "one"},
         "when": {"input": "data", "equals": "right"}}]}))
    states = {step["name"]: step["state"] for step in graph["status"]["steps"]}
    expect(states == {"one": "Succeeded", "left": "Succeeded", "right": "Skipped"}, states)


def test_a_deadline_ends_a_run(world):
    graph = world.finished(world.create({"deadline": "2s", "steps": [
        {"name": "nap", "device": "echo", "operation": "sleep", "arguments": {"ms": 30000}}]}))
    expect(graph["status"]["phase"] == "Failed", graph["status"])
    expect(graph["status"]["failure"]["reason"] == "DeadlineExceeded", graph["status"]["failure"])


def test_cancel_ends_a_run(world):
    name = world.running(world.create({"steps": [
        {"name": "nap", "device": "echo", "operation": "sleep", "arguments": {"ms": 30000}}]}))
    code, said = world.patch("taskgraph", name, {"spec": {"cancel": True}})
    expect(code == 200, said)
    world.must("wait", "--for=condition=Finished", f"taskgraph/{name}", f"--namespace={HOME}",
               "--timeout=20s")
    graph = world.finished(name)
    expect(graph["status"]["phase"] == "Cancelled", graph["status"])


def test_deletion_ends_a_run_and_nothing_holds_it_up(world):
    name = world.running(world.create({"steps": [
        {"name": "nap", "device": "echo", "operation": "sleep", "arguments": {"ms": 30000}}]}))
    expect(not world.get("taskgraph", name)["metadata"].get("finalizers"), "it has finalizers")
    world.delete("taskgraph", name)
    expect(world.get("taskgraph", name) is None, "it is still there")
    # Its adaptor is free again at once: the next nap does not wait for the first.
    world.succeeded(world.create({"deadline": "10s", "steps": [
        {"name": "nap", "device": "echo", "operation": "sleep", "arguments": {"ms": 10}}]}))


def test_a_finished_run_is_deleted_after_its_ttl(world):
    name = world.create(hello(ttlSecondsAfterFinished=1))
    world.wait("it is gone", lambda: world.get("taskgraph", name) is None, 30)


def test_no_pod_starts_for_a_run(world):
    before = {pod["metadata"]["uid"] for pod in world.list("pod", None)}
    world.succeeded(world.create(hello()))
    after = {pod["metadata"]["uid"] for pod in world.list("pod", None)}
    expect(after <= before, "a pod was started")
