"""kubectl fractos: runs, files and logs, as a person at a terminal has them."""

import json

from harness import FRACTOSCTL, HOME, ROOT, example, expect, run

POWER = ROOT / "examples" / "power" / "power.yaml"


def test_run_shows_a_run_to_its_end(world):
    code, out, said = world.fractos("run", POWER, "-p", "base=2", "-p", "exponent=10", "-o", "json")
    expect(code == 0, said)
    expect([one["text"] for one in json.loads(out)["outputs"]] == ["1024"], out.decode())


def test_run_exits_as_on_one_machine(world):
    failing = b"""
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {generateName: fails-}
spec:
  steps:
  - {name: divide, device: math, operation: divide, arguments: {a: "1", b: "0"}}
"""
    code, _, said = world.fractos("run", "-", text=failing)
    expect(code == 1 and "divide" in said, (code, said))
    code, _, said = world.fractos("run", "-", text=failing.replace(b"operation: divide",
                                                                   b"operation: divde"))
    expect(code == 2 and "did you mean" in said, (code, said))


def test_a_file_comes_back_as_it_went(world):
    sent = bytes(range(256)) * 4096
    code, _, said = world.fractos("cp", "-", "storage:bytes.bin", text=sent)
    expect(code == 0, said)
    code, back, said = world.fractos("cp", "storage:bytes.bin", "-")
    expect(code == 0 and back == sent, (said, len(back)))


def test_runs_devices_and_status_list_what_there_is(world):
    name = world.create(example("power/power.yaml", base="2", exponent="6"))
    world.succeeded(name)
    code, out, said = world.fractos("runs")
    expect(code == 0 and name in out.decode(), said)
    code, out, said = world.fractos("devices")
    expect(code == 0 and "classify" in out.decode(), said)
    code, out, said = world.fractos("status")
    expect(code == 0 and world.leader("storage") in out.decode(), out.decode() + said)


def test_watch_trace_and_logs_of_a_run(world):
    name = world.create(example("power/power.yaml", base="2", exponent="7"))
    code, _, said = world.fractos("watch", name)
    expect(code == 0, said)
    code, out, said = world.fractos("trace", name)
    expect(code == 0, said)
    expect(any("multiply" in json.dumps(one) or "power" in json.dumps(one)
               for one in json.loads(out)["traceEvents"]), out.decode()[:500])
    code, _, said = world.fractos("logs", name)
    expect(code == 0, said)


def test_what_the_api_server_refuses_has_its_field(world):
    code, _, said = world.fractos("run", "-", text=b"""
apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {generateName: bad-}
spec:
  steps:
  - {name: a, device: echo, operation: copy, inputs: {data: b}}
""")
    expect(code == 2 and "steps[0].inputs.data" in said, (code, said))
    expect(not [one for one in world.list("taskgraph")
                if one["metadata"]["name"].startswith("bad-")], "an object was made")


def test_the_krew_plugin_is_found_by_kubectl(world):
    environment = dict(world.environment)
    environment["PATH"] = f"{FRACTOSCTL.parent}:{environment['PATH']}"
    went_well, said = run(world.program("kubectl"), "fractos", "status", "-n", HOME,
                          environment=environment)
    expect(went_well and "storage" in said, said)
