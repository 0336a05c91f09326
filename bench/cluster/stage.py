"""The cluster with the chart installed, and what every measurement needs of it."""

import http.client
import json
import os
import re

from connection import Api, Connection
from harness import CHART, CLUSTER, FRACTOSCTL, HOME, REGISTRY, ROOT, SYSTEM, World, expect, run

NODES = 3
SETTINGS = ["--set", f"global.imageRegistry={REGISTRY}"]


class Unusable(Exception):
    """It cannot be measured here, and why."""


def bring_up(keep):
    """A new cluster of tests/cluster whose etcd syncs its log, with the images; its kubeconfig."""
    if "KUBECONFIG" in os.environ:
        raise Unusable("audit log and processes are needed, which only the cluster of "
                       "tests/cluster shows: unset KUBECONFIG")
    images = sorted((ROOT / "build" / "images").glob("*.tar"))
    if not images or not FRACTOSCTL.exists():
        raise Unusable("there are no images in build/images; `make images` builds them")
    os.environ["ETCD_FSYNC"] = "1"
    commands = [] if keep else [("down",)]
    commands += [("up", f"--nodes={NODES}"), ("load", *map(str, images))]
    for command in commands:
        went_well, said = run(CLUSTER, *command, seconds=900)
        if not went_well:
            raise Unusable(f"cluster {command[0]}: {said}")
    return run(CLUSTER, "kubeconfig")[1].strip()


class Stage:
    """Made once. `connection` is the main thread's; others make their own of `api`."""

    def __init__(self, kubeconfig):
        self.world = World(kubeconfig, own_cluster=True)
        self.api = Api(kubeconfig)
        self.connection = Connection(self.api)
        self.audit_log = self.world.cluster("audit-log").strip()

    def close(self):
        self.world.close()

    def install(self):
        for namespace in (SYSTEM, HOME):
            if self.world.get("namespace", namespace) is None:
                self.world.must("create", "namespace", namespace)
        went_well, said = self.world.helm("upgrade", "--install", "fractos", CHART, "--wait",
                                          "--timeout=180s", *SETTINGS)
        expect(went_well, f"helm install: {said}")

    def devices(self, clusters):
        """Makes DeviceClusters, {name: spec}, and waits until all are ready."""
        self.world.apply("\n---\n".join(json.dumps({
            "apiVersion": "fractos.dev/v1alpha1", "kind": "DeviceCluster",
            "metadata": {"name": name}, "spec": spec}) for name, spec in clusters.items()))
        for name in clusters:
            self.world.ready(name, seconds=180)

    def remove(self, clusters):
        for name in clusters:
            self.world.delete("devicecluster", name)
        for name in clusters:
            self.world.wait(f"the pods of {name} are gone", lambda name=name: self.pods(name) == [],
                            120)

    def pods(self, cluster):
        return self.world.list("pod", labels=f"fractos.dev/devicecluster={cluster}")

    @staticmethod
    def metric(text, name, **labels):
        """The sum of a metric's series that have these labels, in the text that /metrics gave."""
        total = 0.0
        for line in text.splitlines():
            match = re.match(rf"{name}(?:{{(.*)}})? (\S+)$", line)
            if match and all(f'{key}="{value}"' in (match[1] or "")
                             for key, value in labels.items()):
                total += float(match[2])
        return total

    @staticmethod
    def scrape(address):
        """/metrics of a pod of ours; this machine reaches pods by their addresses."""
        connection = http.client.HTTPConnection(address, 8080, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()


def task_graph(steps, prefix="bench-", **spec):
    return {"apiVersion": "fractos.dev/v1alpha1", "kind": "TaskGraph",
            "metadata": {"generateName": prefix}, "spec": {"steps": steps, **spec}}


def post(connection, graph):
    """Makes a TaskGraph; its name."""
    return connection.ask("POST", World.path("taskgraph", HOME), graph)["metadata"]["name"]
