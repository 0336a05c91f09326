"""One run in a folder of its own: its fractosctl, whoever reads along, and what it leaves behind."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PHOTOGRAPH = ROOT / "examples/classify/data/cat.png"
STAGING = ".fractos-staging"  # where storage keeps what is not whole yet; no key leads there
MARK = "FRACTOS_KILL_WORLD"
PATIENCE = 10.0  # seconds: how long what must come true may take
LONGEST_RUN = 90.0  # seconds: more than any graph's deadline here


def eventually(holds, patience=PATIENCE, interval=0.002):
    """Other processes give no event to wait for, so it looks every few milliseconds."""
    until = time.monotonic() + patience
    while True:
        value = holds()
        if value or time.monotonic() > until:
            return value
        time.sleep(interval)


class Reader:
    """Reads the storage folder all along. `expected` says what each file must hold, whole."""

    def __init__(self, folder, expected):
        self.folder = str(folder)
        self.expected = expected
        self.violations = []
        self.polls = 0
        self.seen = set()
        self._whole = {}  # path: what stat said when it was found whole
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self._look()

    def _read_on(self):
        while not self._stop.wait(0.002):
            self._look()

    def _look(self):
        self.polls += 1
        for where, folders, files in os.walk(self.folder):
            if STAGING in folders:
                folders.remove(STAGING)
            for name in files:
                path = os.path.join(where, name)
                key = os.path.relpath(path, self.folder)
                self.seen.add(key)
                stat = os.stat(path)
                looks = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
                # Timestamps are coarse, so what is young is read again although it looks the same.
                if self._whole.get(path) == looks and time.time() - stat.st_ctime > 0.1:
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                if data == self.expected.get(key):
                    self._whole[path] = looks
                else:
                    self.violations.append(f"{key}: {len(data)} bytes that are not its own")


class World:
    """The folder, the graph in it, and the processes that belong to it."""

    def __init__(self, binaries, replicas=None):
        self.binaries = pathlib.Path(binaries).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fk-"))
        self.store = self.folder / "store"
        self.triggers = self.folder / "failpoints"
        for folder in (self.store, self.triggers, self.folder / "photographs"):
            folder.mkdir()
        shutil.copyfile(PHOTOGRAPH, self.folder / "photographs/cat.png")
        text = (HERE / "graph.yaml").read_text()
        if replicas is not None:
            text = text.replace("replicas: 3", f"replicas: {replicas}")
        (self.folder / "graph.yaml").write_text(text)
        self.environment = dict(
            os.environ,
            FRACTOS_HOME=str(self.folder / "home"),
            XDG_RUNTIME_DIR=str(self.folder),
            FRACTOS_FAILPOINT_DIR=str(self.triggers),
        )
        # Marks this world's processes, children included.
        self.environment[MARK] = str(self.folder)
        self._outputs = 0

    def start(self, *arguments):
        self._outputs += 1
        out = open(self.folder / f"{self._outputs}.out", "wb")
        err = open(self.folder / f"{self._outputs}.err", "wb")
        with out, err:
            process = subprocess.Popen(
                [self.binaries / "fractosctl", *arguments],
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True)
        process.out = self.folder / f"{self._outputs}.out"
        process.err = self.folder / f"{self._outputs}.err"
        return process

    def finish(self, process):
        """Its exit code (-1: it had to be killed) and the report that it printed."""
        try:
            code = process.wait(LONGEST_RUN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -1, None
        text = process.out.read_text()
        try:
            return code, json.loads(text)
        except ValueError:
            return code, None

    def run(self, *arguments):
        return self.finish(self.start(*arguments))

    def arm(self, state, step):
        """The first daemon on which a step that matches reaches the state dies of it."""
        (self.triggers / state).write_text(step)

    def fired(self):
        """(cluster, replica, when it died, in wall-clock seconds), or None."""
        for file in self.triggers.glob("*.taken.*"):
            cluster, replica = file.name.split(".taken.")[1].rsplit("-", 1)
            return cluster.removeprefix("default_"), int(replica), file.stat().st_ctime
        return None

    def record(self):
        """The one run's record file, once it is there."""
        return next(iter(self.folder.glob("home/runs/*/record.json")), None)

    def processes(self):
        """{pid: command line} of what still lives of this world; a zombie has no environment."""
        mark = f"{MARK}={self.folder}".encode()
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if mark not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    found[int(entry)] = file.read().decode().split("\0")
            except OSError:
                continue
        return found

    def daemons(self, cluster=None):
        """{(cluster, replica): pid} of the daemons that live."""
        found = {}
        for pid, command in self.processes().items():
            if not command[0].endswith("fractos-daemon") or "--name" not in command:
                continue
            name = command[command.index("--name") + 1].removeprefix("default/")
            if cluster in (None, name):
                found[name, int(command[command.index("--replica") + 1])] = pid
        return found

    def leaders(self):
        """The process ids of those who lead."""
        found = set()
        for file in self.folder.glob("fractos-*/**/leader"):
            try:
                found.add(json.loads(file.read_text())["pid"])
            except (OSError, ValueError):
                continue
        return found

    def left_behind(self):
        """What still lives although everything should have ended, after some patience."""
        if eventually(lambda: not self.processes(), interval=0.02):
            return []
        return [" ".join(command) for command in self.processes().values()]

    def close(self, keep=False):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
