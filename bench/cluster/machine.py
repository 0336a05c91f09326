"""What this machine is, and what its processes use: pods' processes are seen from here."""

import os
import pathlib
import platform
import re
import time

from figures import percentile
from harness import ROOT, run

TICKS = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # it has just ended


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def of_container(container, program):
    """The process of a container, by the container's id: its cgroup is named after it."""
    found = [pid for pid in processes() if container in _read(f"/proc/{pid}/cgroup")
             and _read(f"/proc/{pid}/comm").strip() == program[:15]]
    return found[0] if len(found) == 1 else None


def of_pod(pod, container, program):
    """The process of a program in a pod's container; None if it does not run just now."""
    for one in pod["status"].get("containerStatuses", []):
        if one["name"] == container and "running" in one["state"]:
            return of_container(one["containerID"].partition("://")[2], program)
    return None


def peak_memory(pid):
    """The most that a process has had resident since it began, in bytes: the kernel keeps it."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", _read(f"/proc/{pid}/status"))[1])


def processor_seconds():
    """Of each process that lives: {pid: (what it is, seconds)}."""
    used = {}
    for pid in processes():
        name, _, rest = _read(f"/proc/{pid}/stat").partition(") ")
        if rest:
            fields = rest.split()
            used[pid] = (name.partition(" (")[2], (int(fields[11]) + int(fields[12])) / TICKS)
    return used


def used_since(before):
    """Processor time by program since `before`, the largest first, without what ended meanwhile."""
    total = {}
    for pid, (name, seconds) in processor_seconds().items():
        earlier = before.get(pid, (name, 0.0))
        total[name] = total.get(name, 0.0) + seconds - (earlier[1] if earlier[0] == name else 0.0)
    return sorted(((name, round(seconds, 2)) for name, seconds in total.items() if seconds >= 0.05),
                  key=lambda entry: -entry[1])


def etcd_syncs(folder):
    """Whether the etcd of tests/cluster syncs its log."""
    for pid in processes():
        words = _read(f"/proc/{pid}/cmdline").split("\0")
        if f"--data-dir={folder}/etcd" in words:
            return "--unsafe-no-fsync" not in words
    return None


def sync_milliseconds(folder, times=100):
    """p50 of writing 4 KiB and syncing them, as etcd does."""
    path = os.path.join(folder, "sync-test")
    taken = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(times):
            start = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            taken.append(1000 * (time.monotonic() - start))
    os.unlink(path)
    return round(percentile(taken, 0.5), 2)


def describe(folder):
    model = re.search(r"model name\s*:\s*(.*)", _read("/proc/cpuinfo"))
    memory = int(re.search(r"MemTotal:\s+(\d+)", _read("/proc/meminfo"))[1]) / (1 << 20)
    commit = run("git", "-C", ROOT, "describe", "--always", "--abbrev=12", "--dirty",
                 "--exclude=*")[1].strip()
    return {"commit": commit, "processors": os.cpu_count(),
            "model": model[1] if model else platform.machine(), "memoryGiB": round(memory),
            "kernel": platform.release(), "syncMilliseconds": sync_milliseconds(folder),
            "loadBefore": os.getloadavg()[0],
            "when": time.strftime("%Y-%m-%d", time.gmtime())}
