"""The cluster, a namespace and a user in it, and the probe that follows it as that user."""

import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / "tests" / "cluster" / "cluster"
KINDS = ("configmaps", "taskgraphs")
USER = "probe"
RULES = [
    ("", ["configmaps"], ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("fractos.dev", ["taskgraphs"],
     ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("coordination.k8s.io", ["leases"], ["get", "list", "watch", "create", "update"]),
    ("", ["events"], ["create", "patch"]),
]


class Broken(Exception):
    """What the proof stands on does not hold, so that it shows nothing."""


def run(*command, text=None, seconds=120):
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True,
                          text=True, timeout=seconds)
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def cluster(*arguments):
    return run(sys.executable, "-B", CLUSTER, *arguments, seconds=300)


@contextlib.contextmanager
def running_cluster():
    """The one that is up, which stays, or one that is taken down again."""
    os.environ.pop("KUBECONFIG", None)  # only the cluster of this machine can be disturbed
    ours = subprocess.run([sys.executable, "-B", CLUSTER, "status"], capture_output=True)
    if ours.returncode == 0:
        yield
        return
    try:
        print(cluster("up", "--nodes", "1").strip(), flush=True)
        yield
    finally:
        cluster("down")


class World:
    """A namespace with a user, and the files by which the probe is that user."""

    def __init__(self, folder):
        self.namespace = f"kube-probe-{os.getpid()}"
        self.folder = pathlib.Path(folder)
        self.token_file = self.folder / "token"
        self._kubectl = [cluster("which", "kubectl").strip(), "--kubeconfig",
                         cluster("kubeconfig").strip(), "--request-timeout=20s"]
        self.version = json.loads(self.kubectl("version", "-o", "json"))["serverVersion"][
            "gitVersion"]

    def kubectl(self, *arguments, text=None):
        return run(*self._kubectl, *arguments, text=text)

    def k(self, *arguments, text=None):
        return self.kubectl("--namespace", self.namespace, *arguments, text=text)

    def __enter__(self):
        self.kubectl("apply", "--server-side", "-f", ROOT / "crds")
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", ROOT / "crds")
        self.kubectl("create", "namespace", self.namespace)
        self.k("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
             "metadata": {"name": USER},
             "rules": [{"apiGroups": [group], "resources": resources, "verbs": verbs}
                       for group, resources, verbs in RULES]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
             "metadata": {"name": USER},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": USER},
             "subjects": [{"kind": "ServiceAccount", "name": USER,
                           "namespace": self.namespace}]}]}))
        self.k("create", "serviceaccount", USER)
        self.write_token(self.new_token())
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Broken, subprocess.TimeoutExpired):  # whatever state it is in
            self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def new_token(self):
        return self.k("create", "token", USER, "--duration=10m").strip()

    def write_token(self, token):
        """At once, as the kubelet does it: nobody reads half of it."""
        new = self.token_file.with_suffix(".new")
        new.write_text(token)
        new.rename(self.token_file)

    def by_token_file(self):
        """A kubeconfig that names the file of the token."""
        return self._write_kubeconfig("by-token-file", {"tokenFile": str(self.token_file)})

    def by_exec_plugin(self):
        """A kubeconfig with a program that prints what is in that file."""
        version = "client.authentication.k8s.io/v1"
        credential = json.dumps({"apiVersion": version, "kind": "ExecCredential",
                                 "status": {"token": "%s"}})
        return self._write_kubeconfig("by-exec-plugin", {"exec": {
            "apiVersion": version, "interactiveMode": "Never", "command": "/bin/sh",
            "args": ["-c", f"printf '{credential}' \"$(cat {self.token_file})\""]}})

    def _write_kubeconfig(self, name, user):
        """As the cluster's, but for another user and namespace."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--flatten", "--minify",
                                         "-o", "json"))
        config["users"] = [{"name": USER, "user": user}]
        config["contexts"] = [{"name": USER, "context": {
            "cluster": config["clusters"][0]["name"], "user": USER,
            "namespace": self.namespace}}]
        config["current-context"] = USER
        file = self.folder / name
        file.write_text(json.dumps(config))
        return file


class Memory(threading.Thread):
    """Looks once a second how much memory, and how many files and threads, a process has."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._process = pathlib.Path(f"/proc/{pid}")
        self._page = os.sysconf("SC_PAGE_SIZE") // 1024
        self._ended = threading.Event()
        self.samples = []  # (seconds since the start, KiB, files, threads)

    def run(self):
        start = time.monotonic()
        with contextlib.suppress(OSError):  # it has ended
            while True:
                pages = int((self._process / "statm").read_text().split()[1])
                counts = [len(os.listdir(self._process / what)) for what in ("fd", "task")]
                self.samples.append((time.monotonic() - start, pages * self._page, *counts))
                if self._ended.wait(1):
                    return

    def stop(self):
        self._ended.set()
        self.join()


class Probe:
    """A running fractos-kube-probe. Its name is for people."""

    def __init__(self, name, program, kubeconfig, log, *flags):
        self.name = name
        self.log = log
        self._log = open(log, "wb")
        self._process = subprocess.Popen(
            [str(program), f"--kubeconfig={kubeconfig}", *flags], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._log, text=True,
            # What threads keep for themselves counts as in use: some MB, by chance.
            env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"})
        self._answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.memory = Memory(self._process.pid)
        self.memory.start()

    def _read(self):
        for line in self._process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def ask(self, command, seconds=30):
        with contextlib.suppress(BrokenPipeError):  # no answer says it, too
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            self._process.kill()  # what it may still say would be taken for another answer
            raise Broken(f"the probe does not answer '{command}' within {seconds} s") from None
        if answer is None:
            self._answers.put(None)
            raise Broken(f"the probe has ended, see {self.log}")
        return answer

    def counts(self):
        return self.ask("counts")["counts"]

    def await_count(self, name, beyond, seconds):
        """Waits until more than that have been counted."""
        until = time.monotonic() + seconds
        while (now := self.counts().get(name, 0)) <= beyond:
            if time.monotonic() > until:
                raise Broken(f"no '{name}' within {seconds} s")
            time.sleep(0.2)
        return now

    @contextlib.contextmanager
    def frozen(self):
        """Stopped, as a process whose machine is suspended."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self, seconds=20):
        """Its exit status; None when it had to be killed."""
        self.memory.stop()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None
        finally:
            self._log.close()
