"""An etcd and a kube-apiserver on the loopback, without nodes: enough for schemas and CEL rules.

    with ControlPlane.start() as cluster:
        cluster.kubectl("get", "namespaces")

Everything is in a folder of its own, on ports that the kernel gave, and gone afterwards.
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

# Last, for a module there has this one's name.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))
import programs  # pylint: disable=wrong-import-position

START_SECONDS = 60


def program(name):
    """Where `make cluster-binaries` puts it, in the version that tests/cluster says."""
    return programs.named(name).path


def kubectl_program():
    cached = program("kubectl")
    return str(cached) if cached.exists() else shutil.which("kubectl")


def missing(*more):
    """What is not there of the programs that this takes, and of `more`, as the message to show."""
    lacking = [
        str(program(name)) for name in ("etcd", "kube-apiserver", *more) if not program(name).exists()
    ]
    lacking += [] if kubectl_program() else [str(program("kubectl"))]
    if lacking:
        return f"not there: {', '.join(lacking)}: make cluster-binaries"
    return "" if shutil.which("openssl") else "openssl is not on PATH"


class Kubectl:
    """kubectl with one kubeconfig."""

    def __init__(self, kubeconfig):
        self.kubeconfig = str(kubeconfig)

    def kubectl(self, *arguments, text=None, timeout=60):
        """The finished process; output and errors together in `stdout`."""
        return subprocess.run(
            [kubectl_program(), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class ControlPlane(Kubectl):
    """Owns its processes and folder; leave the `with` block to end both."""

    def __init__(self, folder):
        super().__init__(folder / "kubeconfig")
        self.folder = folder
        self.processes = []

    @classmethod
    def start(cls):
        plane = cls(pathlib.Path(tempfile.mkdtemp(prefix="fractos-crds-")))
        try:
            plane._start()
        except BaseException:
            plane.stop()
            raise
        return plane

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def _certificates(self):
        key = ("-newkey", "rsa:2048", "-nodes")
        self._openssl(
            "req",
            "-x509",
            *key,
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-days",
            "2",
            "-subj",
            "/CN=fractos-crds",
        )
        for name, subject, extension in (
            ("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            ("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth"),
        ):
            (self.folder / f"{name}.ext").write_text(extension + "\n")
            self._openssl(
                "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject
            )
            self._openssl(
                "x509",
                "-req",
                "-in",
                f"{name}.csr",
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                f"{name}.ext",
                "-out",
                f"{name}.crt",
            )
        self._openssl("genrsa", "-out", "sa.key", "2048")

    def _spawn(self, name, *arguments):
        log = open(self.folder / f"{name}.log", "w")
        self.processes.append(
            subprocess.Popen(
                [str(program(name)), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        )

    def _start(self):
        self._certificates()
        etcd, peer, secure = _free_ports(3)
        self._spawn(
            "etcd",
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            "--log-level=error",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={secure}",
            "--advertise-address=127.0.0.1",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://fractos.test",
            "--service-account-key-file=sa.key",
            "--service-account-signing-key-file=sa.key",
            # Nothing here makes service accounts.
            "--disable-admission-plugins=ServiceAccount",
        )
        server = f"https://127.0.0.1:{secure}"
        files = {name: self.folder / name for name in ("ca.crt", "admin.crt", "admin.key")}
        pathlib.Path(self.kubeconfig).write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: c
  cluster: {{server: "{server}", certificate-authority: {files["ca.crt"]}}}
users:
- name: u
  user: {{client-certificate: {files["admin.crt"]}, client-key: {files["admin.key"]}}}
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
""")
        self._await_ready(server, files)

    def _await_ready(self, server, files):
        context = ssl.create_default_context(cafile=files["ca.crt"])
        context.load_cert_chain(files["admin.crt"], files["admin.key"])
        end = time.monotonic() + START_SECONDS
        why = ""
        while time.monotonic() < end:
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(
                        f"{process.args[0]} ended at once:\n{self._last_words(process)}"
                    )
            try:
                with urllib.request.urlopen(f"{server}/readyz", context=context, timeout=5):
                    return
            except OSError as error:
                why = str(error)
                time.sleep(0.1)
        raise RuntimeError(f"the API server is not ready after {START_SECONDS} s: {why}")

    def _last_words(self, process):
        log = self.folder / f"{pathlib.Path(process.args[0]).name}.log"
        return "".join(log.read_text(errors="replace").splitlines(keepends=True)[-5:])
