"""The programs that the cluster is made of, and the tools that look at charts and manifests.

All are built from Go modules: once, into PROGRAMS/NAME-VERSION, shared by all checkouts; into
NAME-VERSION-VARIANT where more than the version decides what is built. A program appears there by a
rename, whole or not at all. Those that cannot be installed by name and version alone, each go.mod says
why, have a module of their own under binaries/.
"""
import dataclasses
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time

import layout
from errors import ClusterError

KUBERNETES = "1.34.10"
HELM = "3.21.4"
OLDEST_GO = (1, 26)

# Without these the API server calls itself v0.0.0, and charts that ask for a version are refused.
VERSION_FLAGS = " ".join(
    f"-X {package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in {
        "gitVersion": f"v{KUBERNETES}",
        "gitMajor": KUBERNETES.split(".")[0],
        "gitMinor": KUBERNETES.split(".")[1],
        "gitTreeState": "clean",
        "gitCommit": "none",
        "buildDate": "1970-01-01T00:00:00Z",
    }.items())

# Without these helm takes Kubernetes to be 1.20 where it asks no cluster, as in `helm template`.
HELM_FLAGS = " ".join(
    [f"-X helm.sh/helm/v3/internal/version.version=v{HELM}"] +
    [f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={value}"
     for package in ("chartutil", "lint/rules")
     for part, value in zip(("Major", "Minor"), KUBERNETES.split("."))])


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    version: str
    package: str
    module: str = ""  # the folder under binaries/ that says what to build it from; "": @version
    flags: str = ""
    variant: str = ""  # to be changed with the flags, so that nobody uses what older ones built

    @property
    def path(self):
        return layout.PROGRAMS / "-".join(filter(None, [self.name, self.version, self.variant]))


def _kubernetes(name):
    return Program(name, KUBERNETES, f"k8s.io/kubernetes/cmd/{name}", "kubernetes", VERSION_FLAGS)


CLUSTER = [
    *map(_kubernetes, ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
                       "kube-proxy", "kubectl"]),
    Program("etcd", "3.6.14", "go.etcd.io/etcd/server/v3", "etcd"),
    Program("coredns", "1.14.7", "github.com/coredns/coredns"),
    Program("helm", HELM, "helm.sh/helm/v3/cmd/helm", flags=HELM_FLAGS,
            variant=f"kubernetes-{KUBERNETES}"),
]
TOOLS = [
    Program("kubeconform", "0.7.0", "github.com/yannh/kubeconform/cmd/kubeconform"),
    Program("kube-score", "1.20.0", "github.com/zegl/kube-score/cmd/kube-score"),
    Program("helm-unittest", "1.0.1", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
            "helm-unittest"),
    Program("helm-docs", "1.14.2", "github.com/norwoodj/helm-docs/cmd/helm-docs"),
    Program("kube-linter", "0.8.3", "golang.stackrox.io/kube-linter/cmd/kube-linter", "kube-linter"),
    Program("dashboard-linter", "0.2.0", "github.com/grafana/dashboard-linter", "dashboard-linter"),
]


def named(name):
    """The program of that name."""
    for program in CLUSTER + TOOLS:
        if program.name == name:
            return program
    known = " ".join(program.name for program in CLUSTER + TOOLS)
    raise ClusterError(f"there is no program '{name}' (known: {known})")


def path(name):
    """Where a program of the cluster is; an error when it has not been built."""
    program = named(name)
    if not program.path.exists():
        target = "cluster-binaries" if program in CLUSTER else "kube-tools"
        raise ClusterError(f"{name} {program.version} is not built yet: make {target}")
    return program.path


def folder():
    """A folder for PATH in which kubectl and helm have these names."""
    layout.PATH.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        with tempfile.TemporaryDirectory(dir=layout.PATH, prefix=".linking-") as scratch:
            link = os.path.join(scratch, name)
            os.symlink(path(name), link)
            os.replace(link, layout.PATH / name)
    return layout.PATH


def build(programs):
    """Builds those that are missing, and says which: it takes minutes, but happens once."""
    if all(program.path.exists() for program in programs):
        return
    layout.PROGRAMS.mkdir(parents=True, exist_ok=True)
    with open(layout.PROGRAMS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be building the same ones
        missing = [program for program in programs if not program.path.exists()]
        if not missing:
            return
        _require_go()
        print("building once, into", f"{layout.PROGRAMS}:",
              ", ".join(f"{program.name} {program.version}" for program in missing), flush=True)
        for program in missing:
            started = time.monotonic()
            _build(program)
            print(f"  {program.name} {program.version}: {time.monotonic() - started:.0f} s",
                  flush=True)


def _require_go():
    if not shutil.which("go"):
        raise ClusterError("the cluster's programs are built with Go, and there is no `go` on "
                           f"PATH: install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or later")
    text = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", text)
    if found and tuple(map(int, found.groups())) < OLDEST_GO:
        raise ClusterError(f"{shutil.which('go')} is {text}, too old for the cluster's programs: "
                           f"install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or later")


def _build(program):
    with tempfile.TemporaryDirectory(dir=layout.PROGRAMS, prefix=".building-") as folder:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        flags = ["-trimpath", "-ldflags", f"-s -w {program.flags}"]
        built = os.path.join(folder, program.name)
        if program.module:
            command = ["go", "build", "-mod=readonly", *flags, "-o", built, program.package]
            where = layout.HERE / "binaries" / program.module
        else:
            command = ["go", "install", *flags, f"{program.package}@v{program.version}"]
            where = folder  # in no module: the version's own go.mod counts
            environment["GOBIN"] = folder
        ended = subprocess.run(command, cwd=where, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if ended.returncode != 0:
            tail = "\n".join(ended.stdout.splitlines()[-20:])
            raise ClusterError(f"{program.name} {program.version} did not build in {where}:\n"
                               f"{tail}\nIts downloads are kept: make again goes on from there.")
        os.replace(built, program.path)
