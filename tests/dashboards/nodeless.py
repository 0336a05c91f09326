"""A cluster without nodes: an API server, the operator, and the daemons that its pods would be.

In a network of its own, where every pod is a loopback address, and a mount of its own, where its
names are in /etc/hosts. `enter` starts this program anew in there."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "crds"))
import control_plane

INSIDE = "FRACTOS_NODELESS"
NAMESPACE = "default"


def enter():
    """Returns inside the namespaces; exits 2 if programs are missing."""
    if missing := control_plane.missing():
        print(f"dashboards: {missing}")
        sys.exit(2)
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-Urmn", sys.executable, *sys.argv])


class Cluster:
    """Has a DeviceCluster for each of `adaptors`, those that ship; its processes end with `with`."""

    with_operator = True

    def __init__(self, folder, programs, adaptors):
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.adaptors = adaptors
        self.made = 0
        # The operator's is the first.
        self.addresses = {name: f"127.0.0.{10 + i}" for i, name in enumerate(["operator", *adaptors])}
        self.processes = []
        self.plane = None

    def __enter__(self):
        self.plane = control_plane.ControlPlane.start()
        try:
            self._names()
            self._must("apply", "-f", str(ROOT / "crds"))
            self._must("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
            self._spawn(
                "operator", "fractos-operator", "--leader-elect", "--daemon-image=d",
                "--adaptor-image=a", "--cnn-adaptor-image=c",
                f"--metrics-bind-address={self.addresses['operator']}:8080",
                f"--health-probe-bind-address={self.addresses['operator']}:8081",
            )
            for name in self.adaptors:
                self._device(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)
        self.plane.stop()

    def targets(self):
        """What Prometheus scrapes: (job, pod, address)."""
        yield "operator", "fractos-operator-0", f"{self.addresses['operator']}:8080"
        for name in self.adaptors:
            yield "daemon", f"{name}-0", f"{self.addresses[name]}:8080"

    def run(self, graph, mode="Distributed", fails=False):
        """Runs a TaskGraph to the end that it should have."""
        self.made += 1
        name = f"run-{self.made}"
        document = {**graph, "metadata": {"name": name, "namespace": NAMESPACE}}
        document["spec"] = {**graph["spec"], "mode": mode}
        self._must("create", "-f", "-", text=json.dumps(document))
        self._must("wait", "--for=condition=Finished", f"taskgraph/{name}", "--timeout=30s")
        phase = self._must("get", "taskgraph", name, "-o", "jsonpath={.status.phase}")
        if (phase == "Failed") != fails:
            sys.exit(f"dashboards: a run ended {phase}: {self._must('get', 'taskgraph', name)}")

    def _names(self):
        hosts = self.folder / "hosts"
        lines = ["127.0.0.1 localhost"]
        for name in self.adaptors:
            lines.append(f"{self.addresses[name]} {name}-0.{name}.{NAMESPACE}.svc")
        hosts.write_text("\n".join(lines) + "\n")
        subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)

    def _must(self, *arguments, text=None):
        done = self.plane.kubectl(*arguments, text=text)
        if done.returncode != 0:
            sys.exit(f"dashboards: kubectl {' '.join(arguments)}: {done.stdout}")
        return done.stdout

    def _spawn(self, name, program, *arguments):
        environment = {**os.environ, "KUBECONFIG": self.plane.kubeconfig, "POD_NAMESPACE": NAMESPACE}
        with (self.folder / f"{name}.txt").open("w") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(self.programs / program), *arguments],
                    env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                )
            )

    def _device(self, name):
        options = {"root": str(self.folder / name)} if name == "storage" else {}
        self._must("apply", "-f", "-", text=f"""\
apiVersion: fractos.dev/v1alpha1
kind: DeviceCluster
metadata: {{name: {name}, namespace: {NAMESPACE}}}
spec: {{adaptor: {{command: [fractos-adaptor, {name}], options: {json.dumps(options)}}}}}
""")
        uid = self._must("get", "devicecluster", name, "-o", "jsonpath={.metadata.uid}")
        address = self.addresses[name]
        self._spawn(
            name, "fractos-daemon", "--coordination=kubernetes", f"--name={NAMESPACE}/{name}",
            f"--pod-name={name}-0", f"--pod-uid={uid}", f"--kubeconfig={self.plane.kubeconfig}",
            f"--endpoint={address}:7447", f"--http-address={address}:8080",
            f"--advertise={name}-0.{name}.{NAMESPACE}.svc:7447",
            f"--adaptor-options={json.dumps(options)}",
            "--", str(self.programs / "fractos-adaptor"), name,
        )
