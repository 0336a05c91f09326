"""What the API server makes of TaskGraphs."""

import json
import time

from harness import cluster, expect, graph, step


def largest_graph():
    """256 steps with 32 inputs each, where there are so many above."""
    names = [f"{'s' * 36}-{index:03}" for index in range(256)]
    steps = [
        step(
            name,
            inputs={f"{'i' * 37}-{of:02}": names[index - 1 - of] for of in range(min(index, 32))},
            after=names[max(0, index - 40) : index],
            timeout="60s",
            retry={"limit": 10, "backoff": "1s"},
        )
        for index, name in enumerate(names)
    ]
    for each in steps[1:]:
        each["when"] = {"input": f"{'i' * 37}-00", "matches": "(cat|dog)+" * 40}
    return graph(
        "largest",
        steps=steps,
        parameters=[{"name": f"p{index}", "value": "x"} for index in range(64)],
    )


def test_a_graph_of_256_steps_with_32_inputs_is_accepted(server):
    started = time.monotonic()
    server.create(largest_graph())
    took = time.monotonic() - started
    expect(took < 10, f"took {took:.1f} s")
    server.run("delete", "taskgraph", "largest")


def test_one_wrong_reference_of_8192_is_found(server):
    wrong = largest_graph()
    wrong["spec"]["steps"][255]["inputs"][f"{'i' * 37}-31"] = wrong["spec"]["steps"][255]["name"]
    server.refuses(wrong, f"spec.steps[255].inputs.{'i' * 37}-31")


def test_one_double_name_of_256_is_found(server):
    wrong = largest_graph()
    for each in wrong["spec"]["steps"]:
        each.pop("inputs"), each.pop("after"), each.pop("when", None)
    wrong["spec"]["onFailure"] = [wrong["spec"]["steps"].pop()]
    wrong["spec"]["onFailure"][0]["name"] = wrong["spec"]["steps"][0]["name"]
    server.refuses(wrong, "spec.onFailure[0].name: there is a step")


def test_steps_of_on_failure_refer_to_steps_and_upwards(server):
    steps = [step("a"), step("b")]
    server.accepts(
        graph(
            steps=steps,
            onFailure=[
                step("c", inputs={"x": "b"}),
                step("d", after=["a", "c"], inputs={"x": "c"}),
            ],
        )
    )
    server.refuses(
        graph(steps=steps, onFailure=[step("c", inputs={"x": "d"}), step("d")]),
        'spec.onFailure[0].inputs.x: there is no step "d"',
    )
    server.refuses(
        graph(steps=steps, onFailure=[step("c", after=["a", "e"])]),
        'spec.onFailure[0].after[1]: there is no step "e"',
    )
    server.refuses(
        graph(steps=[step("a", after=["c"])], onFailure=[step("c")]),
        'spec.steps[0].after[0]: there is no step "c"',
    )


def test_times_of_on_failure_are_bounded_by_the_deadline(server):
    server.refuses(
        graph(onFailure=[step("c", timeout="2m")]), "spec.onFailure[0].timeout", "60s, not 2m"
    )
    server.refuses(
        graph(onFailure=[step("c", retry={"limit": 1, "backoff": "2m"})]),
        "spec.onFailure[0].retry.backoff",
    )
    server.refuses(
        graph(steps=[step("c", retry={"limit": 1, "backoff": "2m"})]), "spec.steps[0].retry.backoff"
    )
    server.accepts(graph(deadline="1h", onFailure=[step("c", timeout="3600s")]))


def test_defaults_are_those_of_fractosctl(server):
    _, said = server.run(
        "create", "--dry-run=server", "-o", "json", "-f", "-", text=json.dumps(graph())
    )
    spec = json.loads(said)["spec"]
    expect(
        (spec["mode"], spec["deadline"]) == ("Distributed", "60s"), f"mode and deadline are {spec}"
    )
    _, said = server.run(
        "create",
        "--dry-run=server",
        "-o",
        "json",
        "-f",
        "-",
        text=json.dumps(cluster(leaderElection={"leaseDurationSeconds": 15})),
    )
    spec = json.loads(said)["spec"]
    expect(
        (spec["replicas"], spec["maxInFlight"], spec["updatePolicy"]) == (1, 64, "Automatic"),
        f"the spec is {spec}",
    )
    expect(
        spec["leaderElection"]
        == {"leaseDurationSeconds": 15, "renewDeadlineSeconds": 3, "retryPeriodSeconds": 1},
        f"leaderElection is {spec['leaderElection']}",
    )


def test_a_graph_is_one_run_and_cannot_be_changed(server):
    arguments = {"text": "hello", "groups": {"cat": ["tabby"]}}
    steps = [step("say", arguments=arguments)]
    parameters = [{"name": "a", "value": "x"}]
    server.create(graph("run", steps=steps, parameters=parameters, onFailure=[step("mend")]))
    changes = {
        "spec.steps": {"steps": [step("other")]},
        "spec.parameters": {"parameters": [{"name": "a", "value": "y"}]},
        "spec.onFailure": {"onFailure": None},
        "spec.mode": {"mode": "Centralized"},
        "spec.deadline": {"deadline": "61s"},
    }
    # Rules do not see what is in an argument; that it differs must be seen all the same.
    for other in (
        {**arguments, "text": "bye"},
        {"text": "hello", "group": arguments["groups"]},
        {"text": "hello", "groups": {"dog": ["tabby"]}},
        {**arguments, "more": [1]},
    ):
        change = {"spec": {"steps": [step("say", arguments=other)]}}
        accepted, said = server.patch("taskgraph", "run", change)
        expect(
            not accepted and "spec.steps: " in said and "is immutable" in said,
            f"arguments {other}: {said}",
        )
    for field, change in changes.items():
        accepted, said = server.patch("taskgraph", "run", {"spec": change})
        expect(not accepted and f"{field}: " in said and "is immutable" in said, f"{field}: {said}")
    accepted, said = server.patch("taskgraph", "run", {"spec": {"parameters": None}})
    expect(not accepted and "spec.parameters: " in said, f"parameters removed: {said}")
    for change in (
        {"ttlSecondsAfterFinished": 60},
        {"ttlSecondsAfterFinished": None},
        {"cancel": False},
        {"cancel": True},
    ):
        accepted, said = server.patch("taskgraph", "run", {"spec": change})
        expect(accepted, f"{change} was refused: {said}")
    for change in ({"cancel": False}, {"cancel": None}):
        accepted, said = server.patch("taskgraph", "run", {"spec": change})
        expect(
            not accepted and "spec.cancel: " in said and "stays cancelled" in said,
            f"{change}: {said}",
        )


def test_a_record_goes_forward_only(server):
    server.create(graph("record"))

    def write(**status):
        return server.patch("taskgraph", "record", {"status": status}, "--subresource=status")

    record = {
        "phase": "Running",
        "redriveEpoch": 2,
        "ready": "1/2",
        "startTime": "2026-01-01T00:00:00Z",
        "steps": [
            {
                "name": "power/19@" + "0" * 32,
                "state": "Succeeded",
                "resultId": "0" * 32,
                "lineage": "0" * 32,
                "ref": "r",
                "executor": "default/math/0@" + "0" * 32,
                "attempts": 1,
            }
        ],
        "outputs": [{"name": "say", "size": 5, "digest": "sha256:" + "0" * 64, "text": "hello"}],
        "transfer": {"hops": 3, "messages": 3, "bytes": 240748, "centralizedBytes": 481842},
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Valid",
                "message": "",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    accepted, said = write(**record)
    expect(accepted, f"the record was refused: {said}")
    accepted, said = write(redriveEpoch=1)
    expect(not accepted and "status.redriveEpoch: " in said, f"a lower R: {said}")
    accepted, said = write(redriveEpoch=None)
    expect(not accepted and "status.redriveEpoch: " in said, f"no R: {said}")
    accepted, said = write(phase="Succeeded", durationMilliseconds=255)
    expect(accepted, f"the end was refused: {said}")
    accepted, said = write(phase="Running")
    expect(not accepted and "status.phase: " in said, f"going on after the end: {said}")
    _, said = server.run("get", "tg", "record")
    header, row = said.splitlines()[:2]
    expect(
        header.split() == ["NAME", "STATUS", "READY", "HOPS", "BYTES", "DURATION(MS)", "AGE"],
        f"the columns are {header}",
    )
    expect(
        row.split()[:6] == ["record", "Succeeded", "1/2", "3", "240748", "255"], f"the row is {row}"
    )
    _, said = server.run("get", "tg", "-o", "name", "--field-selector=status.phase=Succeeded")
    expect(said.split() == ["taskgraph.fractos.dev/record"], f"selected by phase: {said}")


def test_names_of_inputs_are_bounded(server):
    server.accepts(graph(steps=[step("a"), step("b", inputs={"i" * 40: "a"})]))
    wrong = graph(steps=[step("a"), step("b", inputs={"i" * 41: "a"})])
    server.refuses(wrong, "spec.steps[1].inputs: ", "1 to 40 characters")


def test_server_side_apply_works(server):
    text = json.dumps(
        graph("applied", steps=[step("a"), step("b", after=["a"], inputs={"x": "a"})])
    )
    for _ in range(2):  # the second changes nothing, and must not be a conflict
        accepted, said = server.run("apply", "--server-side", "-f", "-", text=text)
        expect(accepted, f"was refused: {said}")
