#!/usr/bin/env python3
"""The whole of FractOS on a real Kubernetes, from `helm install` to `helm uninstall`.

  tests/e2e/run.py [--keep] [NAME...]

Brings the cluster of tests/cluster up (or uses the one of KUBECONFIG), loads the images of
build/images, installs the chart, and runs the tests, in the order of the modules below. NAMEs are
parts of names of tests; with any, only these run. --keep leaves cluster and release as they are in the
end, and takes them as it finds them. Ends with "N passed, M failed"; exits 2 if it cannot run here.
"""

import os
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import audit_tests
import bad_input_tests
import ctl_tests
import device_tests
import fault_tests
import graph_tests
import install_tests
import uninstall_tests
from harness import CLUSTER, FRACTOSCTL, ROOT, Failed, LeftOut, World, run

MODULES = [install_tests, device_tests, graph_tests, ctl_tests, bad_input_tests, fault_tests,
           audit_tests]
# Nodes say all of this machine's processors; what a cluster asks of its own is up to it.
NODES = 3


def tests_of(module):
    return [(name[5:], function) for name, function in vars(module).items()
            if name.startswith("test_") and callable(function)
            and function.__module__ == module.__name__]


def bring_up():
    """The kubeconfig of a cluster that has the images."""
    if "KUBECONFIG" in os.environ:
        return os.environ["KUBECONFIG"]
    images = sorted((ROOT / "build" / "images").glob("*.tar"))
    if not images or not FRACTOSCTL.exists():
        print("e2e: there are no images in build/images; `make images` builds them")
        sys.exit(2)
    for command in (("up", f"--nodes={NODES}"), ("load", *map(str, images))):
        went_well, said = run(CLUSTER, *command, seconds=900)
        if not went_well:
            print(f"e2e: the cluster cannot be used here: {said}")
            sys.exit(2)
    return run(CLUSTER, "kubeconfig")[1].strip()


class Report:
    """Runs tests and says how they went."""

    def __init__(self, world):
        self._world = world
        self.passed = self.failed = self.left_out = 0

    def attempt(self, name, function):
        start = time.monotonic()
        try:
            function(self._world)
        except LeftOut as why:
            self.left_out += 1
            print(f"left out {name}: {why}", flush=True)
            return True
        except Exception as problem:  # pylint: disable=broad-except
            self.failed += 1
            why = str(problem) if isinstance(problem, Failed) else traceback.format_exc()
            print(f"FAILED {name}  {time.monotonic() - start:.1f} s\n{why}", flush=True)
            return False
        self.passed += 1
        print(f"ok     {name}  {time.monotonic() - start:.1f} s", flush=True)
        return True


def main():
    wanted = [a for a in sys.argv[1:] if a != "--keep"]
    keep = "--keep" in sys.argv
    own_cluster = "KUBECONFIG" not in os.environ
    world = World(bring_up(), own_cluster)
    report = Report(world)
    try:
        if report.attempt("install", install_tests.install):
            for module in MODULES:
                for name, function in tests_of(module):
                    if not wanted or any(part in name for part in wanted):
                        report.attempt(name, function)
        if not keep:
            report.attempt("uninstall_leaves_nothing_but_crds_and_claims",
                           uninstall_tests.uninstall)
    finally:
        world.close()
    if own_cluster and not keep:
        run(CLUSTER, "down", seconds=120)
    if report.left_out:
        print(f"{report.left_out} left out")
    print(f"{report.passed} passed, {report.failed} failed")
    return 0 if report.failed == 0 and report.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
