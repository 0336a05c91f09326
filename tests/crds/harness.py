"""What the tests of the CRDs have in common.

A test is a function test_NAME(server) in one of the modules beside this one; those that come by the
file are what file_tests.more_tests() gives, as (name, function).
"""

import json
import os
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMESPACE = f"fractos-crds-{os.getpid()}"
KUBECTL_SECONDS = 30


class Failed(Exception):
    """A test that failed, and why."""


def expect(condition, why):
    if not condition:
        raise Failed(why)


def schema(kind):
    """The schema of a CRD."""
    crd = yaml.safe_load((ROOT / "crds" / f"fractos.dev_{kind}s.yaml").read_text())
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def graph(name="graph", **spec):
    spec.setdefault(
        "steps",
        [{"name": "say", "device": "echo", "operation": "copy", "arguments": {"text": "hello"}}],
    )
    return {
        "apiVersion": "fractos.dev/v1alpha1",
        "kind": "TaskGraph",
        "metadata": {"name": name},
        "spec": spec,
    }


def cluster(name="echo", **spec):
    spec.setdefault("adaptor", {"command": ["fractos-adaptor", "echo"]})
    return {
        "apiVersion": "fractos.dev/v1alpha1",
        "kind": "DeviceCluster",
        "metadata": {"name": name},
        "spec": spec,
    }


def step(name, **fields):
    return {"name": name, "device": "echo", "operation": "concat", **fields}


class Server:
    """The API server under test. Each call gives (whether it was accepted, what was said)."""

    def __init__(self, kubectl):
        self._kubectl = kubectl

    def run(self, *arguments, text=None):
        done = self._kubectl.kubectl(
            f"--namespace={NAMESPACE}", *arguments, text=text, timeout=KUBECTL_SECONDS
        )
        return done.returncode == 0, done.stdout

    def try_file(self, path):
        # apply takes a name, and generateName is for create.
        verb = "create" if "generateName" in path.read_text(errors="replace") else "apply"
        return self.run(verb, "--dry-run=server", "--validate=strict", "-f", str(path))

    def try_object(self, thing):
        return self.run(
            "create", "--dry-run=server", "--validate=strict", "-f", "-", text=json.dumps(thing)
        )

    def create(self, thing):
        accepted, said = self.run("create", "-f", "-", text=json.dumps(thing))
        expect(accepted, f"was not accepted: {said}")

    def patch(self, kind, name, patch, *more):
        return self.run("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *more)

    def refuses(self, thing, *words):
        accepted, said = self.try_object(thing)
        expect(not accepted, f"was accepted, and should be refused for {words[0]}")
        for word in words:
            expect(word in said, f"the refusal does not say {word!r}: {said}")

    def accepts(self, thing):
        accepted, said = self.try_object(thing)
        expect(accepted, f"was refused: {said}")
