"""Namespaces of its own for a node, or for the control plane.

One process holds them: network, mounts and pids. When it is killed, the kernel ends every process
inside and takes their mounts, interfaces, routes and iptables rules with them, whatever state they
were in. So going down needs to know one pid per node, and nothing can be forgotten.

Inside, /run and /var are the sandbox's own, so that kubelet and containerd find their usual folders
there without meeting those of another node, or of this machine. /sys stays as it is: a fresh one
would hide the cgroups.
"""
import contextlib
import os
import subprocess

import images
import layout
import processes
from errors import ClusterError

# kubelet wants these values, and sets them where they differ. They are this machine's, not a
# node's, so it gets to read files that say what it wants to hear.
SYSCTLS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10,
           "kernel/panic_on_oops": 1, "kernel/keys/root_maxkeys": 1000000,
           "kernel/keys/root_maxbytes": 25000000}


class Sandbox:
    """The namespaces of that name, whether this command made them or an earlier one."""

    def __init__(self, name):
        self.name = name
        self.record = processes.Record(name)
        self.folder = layout.STATE / name

    def create(self):
        """Makes the namespaces: loopback is up, nothing else is there."""
        holder = processes.launch(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", images.pause_program()], self.record.log)

        def inside():
            # The mounts are made once the child has become the pause program.
            if holder.poll() is not None:
                raise ClusterError(f"namespaces of {self.name} cannot be made\n"
                                   f"{self.record.last_words()}")
            with contextlib.suppress(OSError):
                for pid in processes.children_of(holder.pid):
                    if os.readlink(f"/proc/{pid}/exe") == str(images.pause_program()):
                        return pid

        self.record.write(processes.eventually(inside, 10, f"namespaces of {self.name}"))
        self._make_private()
        self.ip("link set lo up")

    def _make_private(self):
        run, var, sysctls = (self.folder / name for name in ("run", "var", "sysctls"))
        for folder in (run, var, sysctls, var / "log", var / "lib", var / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        if not (var / "run").is_symlink():
            (var / "run").symlink_to("/run")
        script = []
        if layout.STATE.is_relative_to("/var"):
            seen = var / layout.STATE.relative_to("/var")
            seen.mkdir(parents=True, exist_ok=True)
            script.append(f"mount --bind '{layout.STATE}' '{seen}'")
        script.append(f"mount --rbind '{var}' /var")
        script.append(f"mount --bind '{run}' /run")
        for name, value in SYSCTLS.items():
            file = sysctls / name.replace("/", "-")
            file.write_text(f"{value}\n")
            script.append(f"mount --bind '{file}' /proc/sys/{name}")
        self.run(["sh", "-ec", "\n".join(script)])

    @property
    def pid(self):
        """The holder's pid; an error when the sandbox is not there."""
        pid = self.record.pid()
        if pid is None:
            raise ClusterError(f"{self.name} is not running: make cluster-up")
        return pid

    def inside(self, command):
        """The command line that runs a command in there."""
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid",
                *map(str, command)]

    def run(self, command, given=None):
        """Runs a command in there, and gives what it prints; an error when it fails."""
        ended = subprocess.run(self.inside(command), input=given, text=True, capture_output=True,
                               env=layout.ENVIRONMENT)
        if ended.returncode != 0:
            what = " ".join(map(str, command))
            raise ClusterError(f"on {self.name}, `{what[:200]}` failed (exit {ended.returncode}): "
                               f"{(ended.stderr or ended.stdout).strip()[-2000:]}")
        return ended.stdout

    def ip(self, *lines):
        """Runs lines of `ip` in there, as one batch."""
        self.run(["ip", "-batch", "-"], given="\n".join(lines) + "\n")

    def set_sysctls(self, values):
        """Sets those of the network that exist: some come with modules that may be missing."""
        self.run(["sh", "-ec", "\n".join(
            f"[ ! -e /proc/sys/net/{name} ] || echo {value} >/proc/sys/net/{name}"
            for name, value in values.items())])

    def start(self, name, command):
        """Starts a process that stays; its record. The shell that starts it ends at once, so it
        becomes the holder's child: a parent outside could keep the sandbox from going."""
        record = processes.Record(name)
        inner = self.run(["sh", "-c", 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & '
                                      "echo $!", "sh", record.log, *command]).strip()
        for pid in processes.children_of(self.pid):
            with contextlib.suppress(OSError):  # another child has just ended
                if processes.pids_of(pid)[-1] == inner:
                    record.write(pid)
                    return record
        raise ClusterError(f"{name} does not start\n{record.last_words()}")

    def destroy(self):
        """Ends all that is inside. False when the holder cannot be killed."""
        return self.record.kill()
