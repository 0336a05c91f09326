"""Processes that outlive the command that started them, and how they are found again.

Each is recorded as its pid and the time it started at: a pid alone may belong to somebody else by
now, after a restart of the machine for one.
"""
import os
import signal
import subprocess
import time

import layout
from errors import ClusterError


def eventually(holds, seconds, what=None, interval=0.02):
    """What `holds` gives once it gives something. Other processes give no event to wait for, so it
    looks again and again; after that many seconds, an error about `what`, or None without it."""
    until = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > until:
            if what is None:
                return None
            raise ClusterError(f"{what}: not within {seconds:.0f} s")
        time.sleep(interval)


def started_at(pid):
    """When a process started, in ticks since boot; None when there is none, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def children_of(pid):
    """The pids of the children that a process with one thread has."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def pids_of(pid):
    """The pids that a process has, from this namespace's to its own one's."""
    with open(f"/proc/{pid}/status") as file:
        return next(line for line in file if line.startswith("NSpid:")).split()[1:]


def launch(command, log):
    """Starts a process that no terminal's signal reaches, with its output appended to a file."""
    with open(log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                cwd="/", env=layout.ENVIRONMENT, start_new_session=True)


class Record:
    """What is known of one process, under its name. Whoever reads it need not have started it."""

    def __init__(self, name):
        self.name = name
        self._file = layout.PROCESSES / name
        self.log = layout.LOGS / f"{name}.log"

    def write(self, pid):
        self._file.write_text(f"{pid} {started_at(pid)}\n")

    def pid(self):
        """Its pid, if it is alive."""
        try:
            pid, start = self._file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start == str(started_at(pid)) else None

    def kill(self, number=signal.SIGKILL, seconds=10):
        """Sends it the signal and waits until it is gone. False when it is still there then."""
        pid = self.pid()
        if pid is None:
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        _reap(pid)
        return bool(eventually(lambda: self.pid() is None, seconds))

    def last_words(self, lines=5):
        """The end of its log, for an error message."""
        try:
            text = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            text = []
        return "\n".join([f"{self.log}:", *(f"  {line[:300]}" for line in text)])


def _reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # another command started it


def records():
    """Everything that was started, in order of name."""
    if not layout.PROCESSES.is_dir():
        return []
    return [Record(file.name) for file in sorted(layout.PROCESSES.iterdir())]
