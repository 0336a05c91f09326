#!/usr/bin/env python3
"""Tests crds/ on a real API server: that it accepts them, and what it refuses then.

  tests/crds/run.py [--kubeconfig FILE] [NAME...]

Starts an etcd and a kube-apiserver of its own on the loopback, unless a kubeconfig is given: then
the tests use that cluster's CRDs, and a namespace of their own. NAMEs are parts of names of tests.
Ends with "N passed, M failed".
"""

import argparse
import os
import signal
import sys
import time

import control_plane
import devicecluster_tests
import file_tests
import schema_tests
import taskgraph_tests
from harness import NAMESPACE, ROOT, Failed, Server


def all_tests():
    for module in (schema_tests, taskgraph_tests, devicecluster_tests):
        for name, function in vars(module).items():
            if name.startswith("test_"):
                yield name.removeprefix("test_").replace("_", " "), function
    yield from file_tests.more_tests()


def install(kubectl):
    """The CRDs and the namespace; waits until the server knows the kinds."""
    done = kubectl.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    if done.returncode != 0:
        print(f"FAILED the API server accepts the CRDs\n{done.stdout}\n0 passed, 1 failed")
        sys.exit(1)
    kubectl.kubectl(
        "wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds")
    )
    kubectl.kubectl("create", "namespace", NAMESPACE)
    # Established is not yet published everywhere; kubectl explain is the last to know.
    end = time.monotonic() + 30
    for kind in ("taskgraphs", "deviceclusters"):
        while kubectl.kubectl("explain", kind).returncode != 0 and time.monotonic() < end:
            time.sleep(0.2)


def run(kubectl, wanted):
    install(kubectl)
    server, passed, failed = Server(kubectl), 0, 0
    print("ok     the API server accepts the CRDs")
    for name, function in all_tests():
        if wanted and not any(word in name for word in wanted):
            continue
        try:
            function(server)
            passed += 1
            print(f"ok     {name}", flush=True)
        except Failed as why:
            failed += 1
            print(f"FAILED {name}: {why}", flush=True)
    kubectl.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    print(f"{passed + 1} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--kubeconfig",
        default=os.environ.get("FRACTOS_CRDS_KUBECONFIG"),
        help="use this cluster and its CRDs",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only tests with these words in their names"
    )
    arguments = parser.parse_args()
    if arguments.kubeconfig:
        return run(control_plane.Kubectl(arguments.kubeconfig), arguments.names)
    missing = control_plane.missing()
    if missing:
        print(f"tests/crds: {missing}; or give --kubeconfig", file=sys.stderr)
        return 2
    # So that `with` ends what was started, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with control_plane.ControlPlane.start() as plane:
        return run(plane, arguments.names)


if __name__ == "__main__":
    sys.exit(main())
