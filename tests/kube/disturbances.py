"""What is done to the API server and to the probe. Each returns what was done, in words, and
refuses to be taken for something that it was not: a 410 that nobody got is Broken."""

import json
import os
import signal
import sys
import time

import world
from world import KINDS, USER, Broken

sys.path.append(str(world.CLUSTER.parent))
import processes  # pylint: disable=wrong-import-position

WANTED = "fractos.dev/probe-wanted"
LEASE_SECONDS = 15


def nothing(_world, _probe):
    return "undisturbed"


def restart(at_once):
    return lambda _, probe: _without_server(
        probe, "kill" if at_once else "stop", 0,
        f"API server {'killed' if at_once else 'stopped'} and started")


def outage(seconds):
    return lambda _, probe: _without_server(probe, "kill", seconds,
                                            f"API server away for {seconds} s")


def _without_server(probe, how, seconds, what):
    before = probe.counts()
    world.cluster("apiserver", how)
    time.sleep(seconds)
    world.cluster("apiserver", "start")
    _expect_unanswered(probe, before, seconds)
    return what


def silence(seconds):
    """The API server is there, takes connections, and does not answer."""
    def disturb(_, probe):
        before = probe.counts()
        server = processes.Record("kube-apiserver").pid()
        os.kill(server, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(server, signal.SIGCONT)
        _expect_unanswered(probe, before, seconds)
        return f"API server silent for {seconds} s"
    return disturb


def forget(world_, probe):
    """Whatever the probe holds is older than all that the API server remembers: while the probe is
    stopped, others go on, the API server starts anew and has etcd forget everything before."""
    before = probe.counts()
    with probe.frozen():
        for kind in KINDS:
            _change(world_, kind)
        world.cluster("apiserver", "stop")
        world.cluster("compact")
        world.cluster("apiserver", "start")
    _expect(probe, before, "410", len(KINDS))
    return "history forgotten while the probe was stopped"


def _change(world_, kind):
    """Deletes, changes, replaces and makes some objects of a kind."""
    items = [item for item in json.loads(world_.k("get", kind, "-o", "json"))["items"]
             if item["metadata"]["name"].startswith("probe-")]
    if len(items) < 15:
        raise Broken(f"only {len(items)} {kind}")
    names = [item["metadata"]["name"] for item in items]
    world_.k("delete", kind, *names[:10])
    world_.k("annotate", "--overwrite", kind, *names[10:15], f"{WANTED}={time.time_ns()}")
    made = []
    for name, item in zip([*names[:5], *(f"probe-{time.time_ns()}-{i}" for i in range(3))], items):
        item["metadata"] = {"name": name, "annotations": {WANTED: str(time.time_ns())}}
        made.append(item)
    world_.k("create", "-f", "-",
             text=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))


def rotate(world_, probe):
    """A new user of the old name, so that every token of the old one is worth nothing. The probe
    is refused before it finds the new token in the file."""
    refused = probe.counts().get("http 401", 0)
    world_.k("delete", "serviceaccount", USER)
    world_.k("create", "serviceaccount", USER)
    token = world_.new_token()
    probe.await_count("http 401", refused, 60)
    world_.write_token(token)
    return "token replaced, the old one refused"


def _expect_unanswered(probe, before, seconds):
    _expect(probe, before, "http <error>", 1)
    if seconds > LEASE_SECONDS:
        _expect(probe, before, "leadership lost", 1)


def _expect(probe, before, what, more):
    probe.await_count(what, before.get(what, 0) + more - 1, 90)
