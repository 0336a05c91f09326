"""What the API server's audit log says of the operator and the daemons, after all other tests."""

import collections
import datetime
import json

from harness import SYSTEM, expect

OPERATOR = f"system:serviceaccount:{SYSTEM}:fractos-operator"
SETTLING_SECONDS = 2
# Refused on purpose, by the test that takes a right away and gives it back.
ON_PURPOSE = {"statefulsets"}


class Requests:
    """The requests of operators and daemons since the cluster came up."""

    def __init__(self, world):
        self.used = collections.Counter()  # (resource, verb), of the operator
        self.denied = collections.Counter()  # (user, verb, resource)
        self._gone = set()  # DeviceClusters that are not there, by "namespace:name"
        self._starts = world.starts
        with open(world.cluster("audit-log").strip(), encoding="utf-8") as log:
            for line in log:
                try:
                    self._take(json.loads(line))
                except ValueError:
                    continue  # the last one, half written
        expect(self.used, "the audit log has no request of the operator")

    def _take(self, entry):
        reference = entry.get("objectRef", {})
        resource = reference.get("resource", "")
        if resource == "deviceclusters" and not reference.get("subresource"):
            key = f"{reference.get('namespace')}:{reference.get('name')}"
            if entry["verb"] == "delete":
                self._gone.add(key)
            elif entry["verb"] in ("create", "patch"):
                self._gone.discard(key)
        user = entry["user"].get("username", "")
        if reference.get("subresource"):
            resource += "/" + reference["subresource"]
        if user == OPERATOR:
            self.used[(resource, entry["verb"])] += 1
        elif not user.endswith("-daemon"):
            return
        # What a namespace that is being deleted refuses is not for want of a right.
        if entry.get("annotations", {}).get("authorization.k8s.io/decision") != "forbid":
            return
        # The rights of a DeviceCluster's daemons go with it, at once, and they drain for a while.
        if user.removeprefix("system:serviceaccount:").removesuffix("-daemon") in self._gone:
            return
        # An API server that is just starting has not read the Roles yet.
        when = datetime.datetime.fromisoformat(
            entry["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
        if any(begin <= when <= until + SETTLING_SECONDS for begin, until in self._starts):
            return
        self.denied[(user, entry["verb"], resource)] += 1


def test_no_request_was_denied(world):
    world.need_faults()
    denied = {key: count for key, count in Requests(world).denied.items()
              if key[2] not in ON_PURPOSE}
    expect(not denied, f"denied: {denied}")


CREATED_BY_APPLYING = ("what is applied and not there is created, which takes this right and is "
                       "logged as patch; without it the operator says which right is missing: "
                       "bad_input_tests.test_a_right_that_is_missing_is_named_and_its_return_noticed")
LISTED_BY_WATCHING = ("lists are streamed as watches; API servers before 1.32 know only lists: "
                      "ReflectorTest.ListsWhereTheServerCannotBeginSo")
FOR_DAEMONS = ("nobody may grant what he does not have, and daemons get this: "
               "device_tests.test_what_is_made_of_it_is_its_own_and_mended")
# Rights that are granted and may not show in the log, and why they are there.
UNUSED = {
    **{(resource, "create"): CREATED_BY_APPLYING for resource in (
        "networkpolicies", "poddisruptionbudgets", "rolebindings", "roles", "serviceaccounts",
        "services", "statefulsets")},
    **{(resource, "list"): LISTED_BY_WATCHING for resource in (
        "deviceclusters", "networkpolicies", "persistentvolumeclaims", "pods",
        "poddisruptionbudgets", "rolebindings", "roles", "serviceaccounts", "services",
        "statefulsets", "taskgraphs")},
    ("deviceclusters", "get"): FOR_DAEMONS,
    ("deviceclusters/status", "update"): FOR_DAEMONS,
}


def test_every_right_was_used_or_is_accounted_for(world):
    world.need_faults()
    used = set(Requests(world).used)
    granted = set()
    for role in world.list("clusterrole") + world.list("role", SYSTEM):
        labels = role["metadata"].get("labels", {})
        if labels.get("app.kubernetes.io/managed-by") != "Helm" or \
                any("aggregate" in label for label in labels):
            continue
        for rule in role.get("rules") or []:
            granted |= {(resource, verb) for resource in rule.get("resources", [])
                        for verb in rule["verbs"]}
    expect(granted, "no role was found")
    unused = granted - used - set(UNUSED)
    expect(not unused, f"granted, never used, and not accounted for: {sorted(unused)}")
    stale = set(UNUSED) - granted
    expect(not stale, f"accounted for, and not granted: {sorted(stale)}")
