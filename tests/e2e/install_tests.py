"""Installing the chart, and what is there then."""

import pathlib

from harness import CHART, HOME, REGISTRY, SYSTEM, expect

DEVICES = pathlib.Path(__file__).resolve().parent / "devices.yaml"
SETTINGS = ["--set", f"global.imageRegistry={REGISTRY}"]


def install(world):
    """Into a namespace that enforces Pod Security `restricted`, for devices in one that does, too."""
    for namespace in (SYSTEM, HOME):
        if world.get("namespace", namespace) is None:
            world.must("create", "namespace", namespace)
        world.must("label", "--overwrite", "namespace", namespace,
                   "pod-security.kubernetes.io/enforce=restricted")
    if world.get("crd", "taskgraphs.fractos.dev") is None:
        start_without_crds(world)
    went_well, said = world.helm("upgrade", "--install", "fractos", CHART, "--wait",
                                 "--timeout=120s", *SETTINGS)
    expect(went_well, f"helm install: {said}\n"
                      f"{world.kubectl('describe', 'pods', '-n', SYSTEM)[1][-3000:]}")
    expect("kubectl" in said, f"the notes do not say how to go on: {said}")
    world.apply(DEVICES.read_text())
    for name in ("storage", "math", "cnn", "echo", "caption"):
        world.ready(name, seconds=90)


def start_without_crds(world):
    """An operator whose CRDs are missing says so and waits for them."""
    went_well, said = world.helm("install", "fractos", CHART, "--set", "crds.install=false",
                                 *SETTINGS)
    expect(went_well, said)
    world.wait("the operator says what it misses", lambda: "taskgraphs.fractos.dev" in world.kubectl(
        "logs", f"--namespace={SYSTEM}", "--selector=app.kubernetes.io/component=operator")[1])
    expect(not any(world.condition_of(pod, "Ready").get("status") == "True"
                   for pod in world.operator_pods()), "it is ready without its CRDs")


def test_requests_that_must_not_wait_have_a_flow_of_their_own(world):
    """Leases and epochs do not queue behind what other service accounts ask."""
    said = world.must("get", "--raw", "/metrics")
    flows = {line.split('flow_schema="')[1].split('"')[0] for line in said.splitlines()
             if line.startswith("apiserver_flowcontrol_dispatched_requests_total{")
             and 'flow_schema="fractos' in line and not line.endswith(" 0")}
    expect(flows, "no request was matched by a FlowSchema of the chart")


def test_helm_test_passes(world):
    went_well, said = world.helm("test", "fractos", "--timeout=60s")
    expect(went_well, said)


def test_two_operators_are_ready_and_one_leads(world):
    pods = world.operator_pods()
    expect(len(pods) == 2, [pod["metadata"]["name"] for pod in pods])
    world.leading_operator()


def test_explain_describes_the_fields(world):
    said = world.must("explain", "taskgraph.spec.steps.inputs")
    expect("DESCRIPTION" in said and "<empty>" not in said, said)
    said = world.must("explain", "dcl.spec.leaderElection")
    expect("leaseDurationSeconds" in said, said)


def test_nothing_of_it_is_privileged_or_has_a_secret(world):
    for namespace in (SYSTEM, HOME):
        expect(world.list("secret", namespace, "app.kubernetes.io/part-of=fractos") == [],
               "there is a Secret")
    for pod in world.list("pod", HOME, "app.kubernetes.io/component=daemon"):
        adaptor = [c for c in pod["spec"]["containers"] if c["name"] == "adaptor"][0]
        mounts = [mount["mountPath"] for mount in adaptor["volumeMounts"]]
        expect(not any("serviceaccount" in mount for mount in mounts),
               f"an adaptor sees the pod's token: {mounts}")
