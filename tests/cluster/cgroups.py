"""Each node's own corner of this machine's cgroups: kubelets that shared one would end each other's
pods. Works with version 1 (and its hybrid with 2) and with version 2."""
import contextlib
import os
import pathlib

import processes
from errors import ClusterError

CGROUP_ROOT = pathlib.Path("/sys/fs/cgroup")


def path(node):
    """The cgroup of a node, from the root of every hierarchy."""
    return f"/fractos-{node}"


def make(node):
    """Makes a node's cgroup in every hierarchy, able to have children with limits."""
    for root, version in _hierarchies():
        if version == 2 and root != CGROUP_ROOT:
            continue  # the hybrid's second half has no controllers; runc may make cgroups there
        cgroup = root / path(node)[1:]
        with contextlib.suppress(FileExistsError):
            cgroup.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts them empty
            if version == 1 and (root / name).exists():
                (cgroup / name).write_text((root / name).read_text())
        if version == 2:
            for above in (root, cgroup):
                controllers = (above / "cgroup.controllers").read_text().split()
                (above / "cgroup.subtree_control").write_text(
                    " ".join(f"+{controller}" for controller in controllers))


def remove_all():
    """Removes those of all nodes, with all below. Their processes have been killed, but may take a
    moment to go."""
    for root, _ in _hierarchies():
        for cgroup in root.glob(path("node")[1:] + "*"):
            if not processes.eventually(lambda: _removed(cgroup), 20):
                raise ClusterError(f"the cgroup {cgroup} cannot be removed: what is in it? "
                                   f"find {cgroup} -name cgroup.procs -exec cat {{}} +")


def _removed(cgroup):
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return not cgroup.exists()


def _hierarchies():
    """(mount point, version) of every hierarchy that is mounted."""
    versions = {"cgroup": 1, "cgroup2": 2}
    with open("/proc/mounts") as mounts:
        fields = [line.split() for line in mounts]
    found = [(pathlib.Path(where), versions[kind])
             for _, where, kind, *_ in fields if kind in versions]
    if not found:
        raise ClusterError(f"no cgroups are mounted at {CGROUP_ROOT}: containers need them")
    return found
