"""The schemas themselves: words and bounds."""

import re

import yaml
from file_tests import EVERY_FIELD
from harness import ROOT, Failed, expect, schema


def test_explain_has_words_for_every_field(server):
    for kind in ("taskgraph", "devicecluster"):
        accepted, said = server.run("explain", f"{kind}.spec", "--recursive")
        expect(accepted, f"explain {kind}: {said}")
        accepted, said = server.run("explain", f"{kind}.status")
        expect(accepted and "<no description>" not in said, f"explain {kind}.status: {said}")


def described(schema_, path=""):
    """Each part of a schema with its path."""
    yield path, schema_
    for name, part in schema_.get("properties", {}).items():
        if path or name != "metadata":
            yield from described(part, f"{path}.{name}")
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema_.get(key), dict):
            yield from described(schema_[key], path + suffix)


def test_every_field_is_described_and_bounded(_):
    for kind in ("taskgraph", "devicecluster"):
        for path, part in described(schema(kind)):
            expect(part.get("description"), f"{kind}{path} has no description")
            if path in (".apiVersion", ".kind"):
                continue
            bound = {"string": "maxLength", "array": "maxItems"}.get(part.get("type"))
            expect(not bound or bound in part or "enum" in part, f"{kind}{path} has no {bound}")
            expect(
                "additionalProperties" not in part or "maxProperties" in part,
                f"{kind}{path} has no maxProperties",
            )
            for rule in part.get("x-kubernetes-validations", []):
                expect(
                    rule.get("message"),
                    f"{kind}{path} has a rule without a message: {rule['rule']}",
                )


def missing(part, values, path):
    """The fields of a schema that none of these values has."""
    fields = {name: [v[name] for v in values if name in v] for name in part.get("properties", {})}
    for name, field in part.get("properties", {}).items():
        if fields[name]:
            yield from missing(field, fields[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}"
    if "items" in part:
        yield from missing(part["items"], [one for v in values for one in v], f"{path}[]")


# promise: G-23
def test_every_field_yaml_has_every_field(_):
    documents = list(yaml.safe_load_all(EVERY_FIELD.read_text()))
    for kind in ("TaskGraph", "DeviceCluster"):
        specs = [each["spec"] for each in documents if each["kind"] == kind]
        left_out = list(missing(schema(kind.lower())["properties"]["spec"], specs, "spec"))
        expect(not left_out, f"{EVERY_FIELD.name} has no {kind} with {', '.join(left_out)}")


def constant(name):
    """The value of a constexpr of lib/."""
    for path in (*ROOT.glob("lib/base/*.h"), *ROOT.glob("lib/plan/*.h")):
        found = re.search(rf"constexpr \S+(?: \S+)? {name}(?: = |{{)([^;}}]+)", path.read_text())
        if found:
            # Sums and products of numbers, and nothing else.
            text = found[1].replace("kMaxNameLength", str(40))
            expect(re.fullmatch(r"[\d *+-]+", text), f"{name} is {text}: what is that?")
            return eval(text)  # pylint: disable=eval-used
    raise Failed(f"there is no constant {name} in lib/base or lib/plan")


def test_the_bounds_are_those_of_the_code(_):
    tg, dcl = schema("taskgraph")["properties"], schema("devicecluster")["properties"]
    spec, one = tg["spec"]["properties"], tg["spec"]["properties"]["steps"]["items"]["properties"]
    device, adaptor = dcl["spec"]["properties"], dcl["spec"]["properties"]["adaptor"]["properties"]
    mount = adaptor["volumeMounts"]["items"]["properties"]
    lease = device["leaderElection"]["properties"]
    operation = dcl["status"]["properties"]["operations"]
    for value, name in (
        (spec["steps"]["maxItems"], "kMaxSteps"),
        (spec["onFailure"]["maxItems"] + 1, "kMaxSteps"),
        (tg["status"]["properties"]["steps"]["maxItems"], "kMaxSteps"),
        (one["inputs"]["maxProperties"], "kMaxInputs"),
        (spec["parameters"]["maxItems"], "kMaxParameters"),
        (spec["parameters"]["items"]["properties"]["value"]["maxLength"], "kMaxParameterBytes"),
        (one["name"]["maxLength"], "kMaxNameLength"),
        (tg["metadata"]["properties"]["name"]["maxLength"], "kMaxNameLength"),
        (dcl["metadata"]["properties"]["name"]["maxLength"], "kMaxNameLength"),
        (tg["metadata"]["properties"]["generateName"]["maxLength"], "kMaxGenerateNameLength"),
        (one["retry"]["properties"]["limit"]["maximum"], "kMaxRetries"),
        (one["arguments"]["maxProperties"], "kMaxArguments"),
        (one["when"]["properties"]["equals"]["maxLength"], "kMaxParameterBytes"),
        (spec["ttlSecondsAfterFinished"]["maximum"], "kMaxTtlSeconds"),
        (device["replicas"]["maximum"], "kMaxClusterReplicas"),
        (device["maxInFlight"]["maximum"], "kMaxMaxInFlight"),
        (device["maxInFlight"]["default"], "kDefaultMaxInFlight"),
        (adaptor["command"]["maxItems"], "kMaxCommandWords"),
        (adaptor["command"]["items"]["maxLength"], "kMaxAdaptorTextBytes"),
        (adaptor["env"]["maxItems"], "kMaxEnvironment"),
        (adaptor["env"]["items"]["properties"]["name"]["maxLength"], "kMaxAdaptorTextBytes"),
        (adaptor["env"]["items"]["properties"]["value"]["maxLength"], "kMaxAdaptorTextBytes"),
        (adaptor["image"]["maxLength"], "kMaxImageBytes"),
        (adaptor["volumeMounts"]["maxItems"], "kMaxVolumeMounts"),
        (mount["mountPath"]["maxLength"], "kMaxMountPathBytes"),
        (mount["subPath"]["maxLength"], "kMaxMountPathBytes"),
        (lease["leaseDurationSeconds"]["maximum"], "kMaxLeaseSeconds"),
        (lease["renewDeadlineSeconds"]["maximum"], "kMaxLeaseSeconds"),
        (lease["retryPeriodSeconds"]["maximum"], "kMaxRetryPeriodSeconds"),
        (device["access"]["properties"]["namespaces"]["maxItems"], "kMaxAccessNamespaces"),
        (device["access"]["properties"]["namespaces"]["items"]["maxLength"], "kMaxNamespaceLength"),
        (one["device"]["maxLength"] - len("/") - one["name"]["maxLength"], "kMaxNamespaceLength"),
        (operation["maxItems"], "kMaxOperations"),
        (operation["items"]["properties"]["arguments"]["maxItems"], "kMaxArguments"),
        (operation["items"]["properties"]["inputs"]["maxItems"], "kMaxInputs"),
        (operation["items"]["properties"]["refinesTo"]["maxItems"], "kMaxRefinesTo"),
        (
            tg["status"]["properties"]["outputs"]["items"]["properties"]["text"]["maxLength"],
            "kMaxInlineOutputBytes",
        ),
    ):
        expect(value == constant(name), f"the schema has {value}, and {name} is {constant(name)}")
