"""The API server's audit log: who asked for what, within a time."""

import datetime
import json
import uuid

from harness import HOME, SYSTEM, World

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
OPERATOR = f"system:serviceaccount:{SYSTEM}:fractos-operator"
DAEMONS = f"system:serviceaccount:{HOME}:"


def is_ours(entry):
    """Whether an operator or a daemon asked."""
    user = entry["user"].get("username", "")
    return user == OPERATOR or (user.startswith(DAEMONS) and user.endswith("-daemon"))


def what(entry):
    """Such as "update taskgraphs/status"."""
    reference = entry.get("objectRef", {})
    sub = reference.get("subresource")
    return f"{entry['verb']} {reference.get('resource', '?')}" + (f"/{sub}" if sub else "")


class Log:
    """From the moment at which it is made. What comes before is not read again."""

    def __init__(self, path):
        self._path = path
        with open(path, "rb") as file:
            self._start = file.seek(0, 2)

    def entries(self, connection):
        """All until now, each with `at`, the wall time at which the request came. An entry is
        written when its answer has gone, so a request of ours must show before the log counts as
        whole."""
        mark = f"/version?mark={uuid.uuid4()}"
        connection.ask("GET", mark)
        found = []
        World.wait("the audit log is whole", lambda: any(
            entry["requestURI"] == mark for entry in found) or found.extend(self._read()), 20)
        return found

    def _read(self):
        with open(self._path, "rb") as file:
            file.seek(self._start)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # half written yet
                self._start += len(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the first, whose beginning was written before
                stamp = entry["requestReceivedTimestamp"].replace("Z", "+00:00")
                entry["at"] = datetime.datetime.fromisoformat(stamp).timestamp()
                yield entry
