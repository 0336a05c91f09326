"""What the tests from end to end have in common: the cluster, its tools, and waiting for things.

A test is a function test_NAME(world) in one of the modules beside this one.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / "tests" / "cluster" / "cluster"
CHART = ROOT / "helm" / "fractos"
BIN = pathlib.Path(os.environ.get("FRACTOS_BIN", ROOT / "build" / "release" / "bin"))
FRACTOSCTL = BIN / "kubectl-fractos"
REGISTRY = "localhost"
SYSTEM = "fractos-system"
HOME = "photographs"
PATIENCE = 60

FRACTOS = "/apis/fractos.dev/v1alpha1"
# Kinds by the word that tests use: their API, and their plural.
KINDS = {
    "taskgraph": (FRACTOS, "taskgraphs"),
    "devicecluster": (FRACTOS, "deviceclusters"),
    "pod": ("/api/v1", "pods"),
    "node": ("/api/v1", "nodes"),
    "namespace": ("/api/v1", "namespaces"),
    "service": ("/api/v1", "services"),
    "serviceaccount": ("/api/v1", "serviceaccounts"),
    "configmap": ("/api/v1", "configmaps"),
    "secret": ("/api/v1", "secrets"),
    "claim": ("/api/v1", "persistentvolumeclaims"),
    "event": ("/api/v1", "events"),
    "statefulset": ("/apis/apps/v1", "statefulsets"),
    "deployment": ("/apis/apps/v1", "deployments"),
    "lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "budget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "networkpolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "rolebinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "clusterrole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "clusterrolebinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "flowschema": ("/apis/flowcontrol.apiserver.k8s.io/v1", "flowschemas"),
    "crd": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}
UNNAMESPACED = {"node", "namespace", "clusterrole", "clusterrolebinding", "flowschema", "crd"}


class Failed(Exception):
    """A test that failed, and why."""


class LeftOut(Exception):
    """A test that this cluster cannot have, and why. Said and counted, never passed over."""


class NoAnswer(Exception):
    """The API server cannot be reached, or is too busy to say anything of the object."""


def expect(condition, why):
    if not condition:
        raise Failed(why if isinstance(why, str) else json.dumps(why, indent=1, default=str))


def run(*command, text=None, seconds=PATIENCE, environment=None):
    """A program to its end: (whether it went well, what it said on both streams). `text` is its
    standard input, and may be bytes."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=text.encode() if isinstance(text, str) else text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        return False, f"{command[0]}: not done within {seconds} s\n{said}"
    return done.returncode == 0, done.stdout.decode(errors="replace")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class World:
    """The cluster under test. What the tests make lives in the namespace HOME."""

    def __init__(self, kubeconfig, own_cluster):
        self.kubeconfig = kubeconfig
        self.own_cluster = own_cluster
        self.starts = []  # of the API server: (from, until), in seconds since 1970
        self.environment = dict(os.environ, KUBECONFIG=kubeconfig, NO_COLOR="1")
        self._kubectl = self.program("kubectl")
        self._helm = self.program("helm")
        self._folder = tempfile.TemporaryDirectory(prefix="fractos-e2e-")
        self._socket = os.path.join(self._folder.name, "api")
        # Whatever credentials the kubeconfig has, kubectl knows how to use them; asking it for every
        # look would take more of the processors than what is looked at.
        self._proxy = subprocess.Popen(
            [self._kubectl, "proxy", f"--unix-socket={self._socket}"],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.wait("kubectl proxy listens", lambda: os.path.exists(self._socket), 10)

    def close(self):
        self._proxy.terminate()
        self._proxy.wait()
        self._folder.cleanup()

    @staticmethod
    def program(name):
        went_well, said = run(CLUSTER, "which", name)
        path = said.strip()
        return path if went_well and os.path.exists(path) else name

    # Programs.

    def kubectl(self, *arguments, text=None, seconds=PATIENCE):
        return run(self._kubectl, *arguments, text=text, seconds=seconds,
                   environment=self.environment)

    def must(self, *arguments, text=None, seconds=PATIENCE):
        went_well, said = self.kubectl(*arguments, text=text, seconds=seconds)
        expect(went_well, f"kubectl {' '.join(map(str, arguments))}: {said}")
        return said

    def helm(self, *arguments, seconds=180):
        return run(self._helm, f"--namespace={SYSTEM}", *arguments, seconds=seconds,
                   environment=self.environment)

    def fractos(self, *arguments, text=None, seconds=PATIENCE):
        """kubectl fractos, in the namespace HOME: (exit code, what it printed, what it said)."""
        done = subprocess.run(
            [str(FRACTOSCTL), *map(str, arguments), "-n", HOME], input=text, timeout=seconds,
            stdin=subprocess.DEVNULL if text is None else None, capture_output=True, check=False,
            env=dict(self.environment, KUBECTL=self._kubectl))
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    @staticmethod
    def cluster(*arguments, seconds=PATIENCE):
        """A command of tests/cluster: faults, for the most part."""
        went_well, said = run(CLUSTER, *arguments, seconds=seconds)
        expect(went_well, f"cluster {' '.join(map(str, arguments))}: {said}")
        return said

    def start_api_server(self):
        begin = time.time()
        self.cluster("apiserver", "start")
        self.starts.append((begin, time.time()))

    def need_faults(self):
        if not self.own_cluster:
            raise LeftOut("the faults of tests/cluster are needed, and KUBECONFIG names another")

    # Objects.

    def ask(self, method, path, body=None, content_type="application/json"):
        """(HTTP code, JSON). NoAnswer when there is none to speak of."""
        connection = _UnixConnection(self._socket)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers={"Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as why:
            raise NoAnswer(str(why)) from why
        finally:
            connection.close()
        if answer.status in (429, 502, 503, 504):
            raise NoAnswer(f"{answer.status}: {text[:300]}")
        try:
            return answer.status, json.loads(text)
        except ValueError as why:
            raise Failed(f"{method} {path}: {answer.status}: {text[:300]}") from why

    @staticmethod
    def path(kind, namespace, name=""):
        api, plural = KINDS[kind]
        where = "" if kind in UNNAMESPACED or namespace is None else f"/namespaces/{namespace}"
        return f"{api}{where}/{plural}" + (f"/{name}" if name else "")

    def get(self, kind, name, namespace=HOME):
        """An object; None when it is not there."""
        code, found = self.ask("GET", self.path(kind, namespace, name))
        if code == 404:
            return None
        expect(code == 200, found)
        return found

    def list(self, kind, namespace=HOME, labels=""):
        """The objects of a kind; namespace None: of all of them."""
        query = "?" + urllib.parse.urlencode({"labelSelector": labels}) if labels else ""
        code, found = self.ask("GET", self.path(kind, namespace) + query)
        expect(code == 200, found)
        return found["items"]

    def post(self, kind, body, namespace=HOME):
        """(HTTP code, the object or the refusal)"""
        return self.ask("POST", self.path(kind, namespace), body)

    def patch(self, kind, name, body, namespace=HOME):
        code, found = self.ask("PATCH", self.path(kind, namespace, name), body,
                               "application/merge-patch+json")
        return code, found

    def delete(self, kind, name, namespace=HOME, grace=None):
        body = None if grace is None else {"gracePeriodSeconds": grace}
        code, found = self.ask("DELETE", self.path(kind, namespace, name), body)
        expect(code in (200, 202, 404), found)

    def apply(self, text, namespace=HOME):
        return self.must("apply", f"--namespace={namespace}", "-f", "-", text=text)

    def create(self, graph, namespace=HOME):
        """Makes a TaskGraph out of a spec or a whole object; its name."""
        if "kind" not in graph:
            graph = {"apiVersion": "fractos.dev/v1alpha1", "kind": "TaskGraph",
                     "metadata": {"generateName": "test-"}, "spec": graph}
        code, made = self.post("taskgraph", graph, namespace)
        expect(code == 201, made)
        return made["metadata"]["name"]

    # Waiting.

    @staticmethod
    def wait(what, look, seconds=PATIENCE):
        """Until look() gives something true, which it returns. Its last word is in the failure. That
        the API server does not answer is something to wait for, too."""
        end = time.monotonic() + seconds
        while True:
            try:
                seen = look()
            except NoAnswer as why:
                seen, last = None, f"no answer: {why}"
            else:
                last = seen
            if seen:
                return seen
            expect(time.monotonic() < end,
                   f"{what}: not within {seconds} s; the last look gave {last!r}")
            time.sleep(0.1)

    @staticmethod
    def condition_of(thing, which):
        for one in (thing or {}).get("status", {}).get("conditions", []):
            if one["type"] == which:
                return one
        return {}

    def condition(self, kind, name, which, namespace=HOME):
        return self.condition_of(self.get(kind, name, namespace), which)

    def ready(self, cluster, replicas=None, seconds=PATIENCE):
        """Until a DeviceCluster is as its spec says, and ready; it."""
        def look():
            one = self.get("devicecluster", cluster)
            if one is None:
                return None
            status = one.get("status", {})
            wanted = one["spec"]["replicas"] if replicas is None else replicas
            whole = (status.get("observedGeneration") == one["metadata"]["generation"]
                     and status.get("readyReplicas") == wanted == status.get("replicas")
                     and self.condition_of(one, "Ready").get("status") == "True"
                     and self.condition_of(one, "Progressing").get("status") == "False")
            return one if whole else None
        try:
            return self.wait(f"devicecluster {cluster} is ready", look, seconds)
        except Failed as late:
            one = self.get("devicecluster", cluster) or {}
            pods = self.kubectl("get", "pods", "-n", HOME, "-o", "wide")[1]
            raise Failed(f"{late}; its status: {json.dumps(one.get('status'), indent=1)}\n{pods}"
                         ) from late

    def running(self, graph):
        self.wait(f"taskgraph {graph} runs",
                  lambda: self.phase(graph) == "Running" or None)
        return graph

    def phase(self, graph):
        return (self.get("taskgraph", graph) or {}).get("status", {}).get("phase")

    def finished(self, graph, seconds=PATIENCE, namespace=HOME):
        """The TaskGraph once it has ended."""
        def ended():
            one = self.get("taskgraph", graph, namespace)
            expect(one is not None, f"taskgraph {graph} is gone")
            return one if self.condition_of(one, "Finished").get("status") == "True" else None
        try:
            return self.wait(f"taskgraph {graph} finishes", ended, seconds)
        except Failed as late:
            one = self.get("taskgraph", graph, namespace) or {}
            raise Failed(f"{late}; its status: {json.dumps(one.get('status'), indent=1)}") from late

    def succeeded(self, graph, seconds=PATIENCE, namespace=HOME):
        one = self.finished(graph, seconds, namespace)
        expect(one["status"].get("phase") == "Succeeded",
               f"taskgraph {graph} did not succeed: {json.dumps(one['status'], indent=1)}")
        return one

    @staticmethod
    def output(graph, step):
        """The text that a finished TaskGraph gives for a sink."""
        for output in graph["status"].get("outputs", []):
            if output["name"] == step:
                return output.get("text")
        raise Failed(f"no output {step} in {graph['status'].get('outputs')}")

    def leader(self, cluster):
        """The name of the pod that leads a DeviceCluster."""
        def look():
            one = self.get("devicecluster", cluster) or {}
            return one.get("status", {}).get("leader", {}).get("pod")
        return self.wait(f"devicecluster {cluster} has a leader", look)

    def epoch(self, cluster):
        return self.get("devicecluster", cluster)["status"].get("leaderEpoch", 0)

    def operator_pods(self):
        return self.list("pod", SYSTEM, "app.kubernetes.io/component=operator")

    def leading_operator(self):
        """The pod of the operator that leads."""
        def look():
            lease = self.get("lease", "fractos-operator", SYSTEM)
            holder = (lease or {}).get("spec", {}).get("holderIdentity") or ""
            names = [pod["metadata"]["name"] for pod in self.operator_pods()
                     if holder.startswith(pod["metadata"]["name"])]
            return names[0] if names else None
        return self.wait("an operator leads", look)

    def events(self, name, namespace=HOME):
        """Of an object: (type, reason, message)."""
        return [(event["type"], event["reason"], event["message"])
                for event in self.list("event", namespace)
                if event["involvedObject"]["name"] == name]


def documents(path):
    """The objects of a YAML file, as kubectl reads them: y and n are truth values, also as keys."""
    import yaml

    class Loader(yaml.SafeLoader):
        bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), "yYnN")

    def named(value):
        if isinstance(value, dict):
            return {str(key).lower() if isinstance(key, bool) else key: named(each)
                    for key, each in value.items()}
        return [named(each) for each in value] if isinstance(value, list) else value

    text = pathlib.Path(path).read_text()
    return [named(one) for one in yaml.load_all(text, Loader) if one]


def example(path, **parameters):
    """The TaskGraph of an example, without the DeviceClusters beside it."""
    for document in documents(ROOT / "examples" / path):
        if document["kind"] == "TaskGraph":
            for parameter in document["spec"].get("parameters", []):
                parameter["value"] = parameters.get(parameter["name"], parameter["value"])
            return document
    raise AssertionError(f"{path} has no TaskGraph")


def words(text):
    """A table's rows as lists of words."""
    return [re.split(r"\s+", line.strip()) for line in text.strip().splitlines()]
