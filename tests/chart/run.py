#!/usr/bin/env python3
"""Installs the chart on a real API server without nodes: what is accepted, and who may do what.

  tests/chart/run.py [NAME...]

NAMEs are parts of names of tests. Ends with "N passed, M failed"; exits 2 if programs are missing.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "crds"))
import control_plane  # pylint: disable=wrong-import-position
from harness import Failed, expect  # pylint: disable=wrong-import-position

CHART = ROOT / "helm" / "fractos"
HOME = "fractos-system"
OPERATOR = f"system:serviceaccount:{HOME}:fractos-operator"
GOLDEN = ROOT / "tests" / "unit" / "operator" / "reconcilers" / "golden" / "small.json"
# What the operator grants the daemons of the DeviceCluster storage, as its unit test has it.
DAEMON_RULES = next(
    each["rules"] for each in json.loads(GOLDEN.read_text()) if each["kind"] == "Role"
)


class Cluster:
    """The API server, and helm for it. Each call gives (whether it went well, what was said)."""

    def __init__(self, plane):
        self._plane = plane

    def kubectl(self, *arguments, text=None):
        done = self._plane.kubectl(*arguments, text=text)
        return done.returncode == 0, done.stdout

    def must(self, *arguments, text=None):
        went_well, said = self.kubectl(*arguments, text=text)
        expect(went_well, f"kubectl {' '.join(arguments)}: {said}")
        return said

    def helm(self, *arguments):
        command = [str(control_plane.program("helm")), f"--kubeconfig={self._plane.kubeconfig}"]
        done = subprocess.run(
            [*command, f"--namespace={HOME}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode == 0, done.stdout

    def may(self, who, verb, resource, namespace, name=""):
        what = f"{resource}/{name}" if name else resource
        return self.kubectl("auth", "can-i", verb, what, f"--namespace={namespace}", f"--as={who}")[
            0
        ]

    def role(self, who, namespace, name, rules):
        """Whether `who` may make a Role with these rules."""
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name, "namespace": namespace},
            "rules": rules,
        }
        flags = ("--dry-run=server", "-f", "-", f"--as={who}")
        return self.kubectl("create", *flags, text=json.dumps(role))

    def flow_schema_of(self, *arguments, text=None):
        """The name of the FlowSchema that a request is put under, out of the response's header."""
        said = self.must("-v=9", *arguments, text=text)
        uid = re.search(
            r"X-Kubernetes-Pf-Flowschema-Uid[:=]\s*\"?\[?\"?([0-9a-f-]{36})", said, re.I
        )
        expect(uid, f"the response has no FlowSchema: {said[:2000]}")
        schemas = json.loads(self.must("get", "flowschemas", "-o", "json"))["items"]
        return next(s["metadata"]["name"] for s in schemas if s["metadata"]["uid"] == uid[1])


def test_installs_where_pod_security_is_restricted(cluster):
    level = "pod-security.kubernetes.io"
    for namespace in (HOME, "team-a", "team-b"):
        cluster.must("create", "namespace", namespace)
    labels = [f"{level}/{mode}=restricted" for mode in ("enforce", "warn")]
    cluster.must("label", "namespace", HOME, *labels)
    went_well, said = cluster.helm("install", "fractos", str(CHART), "--no-hooks")
    expect(went_well, said)
    expect("would violate" not in said, f"Pod Security warns: {said}")
    # No controller is here to make pods, so the pod of the template is tried by itself.
    deployment = json.loads(
        cluster.must("get", "deployment", "fractos-operator", "-n", HOME, "-o", "json")
    )
    pod = deployment["spec"]["template"]
    pod.update(apiVersion="v1", kind="Pod")
    pod["metadata"].update(name="try", namespace=HOME)
    cluster.must("create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    pod["spec"]["hostNetwork"] = True
    refused, said = cluster.kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    expect(not refused and "violates PodSecurity" in said, f"nothing is enforced here: {said}")


def test_the_hook_of_helm_test_is_a_pod_that_may_be(cluster):
    _, said = cluster.helm("get", "hooks", "fractos")
    cluster.must("create", "--dry-run=server", f"--namespace={HOME}", "-f", "-", text=said)


def test_the_operator_may_do_its_work_everywhere(cluster):
    wanted = {
        "taskgraphs.fractos.dev": "get list watch delete",
        "taskgraphs.fractos.dev/status": "update",
        "deviceclusters.fractos.dev": "get list watch",
        "deviceclusters.fractos.dev/status": "update patch",
        "statefulsets.apps": "get list watch create patch",
        "services": "get list watch create patch",
        "serviceaccounts": "get list watch create patch",
        "roles.rbac.authorization.k8s.io": "get list watch create patch",
        "rolebindings.rbac.authorization.k8s.io": "get list watch create patch",
        "poddisruptionbudgets.policy": "get list watch create patch delete",
        "networkpolicies.networking.k8s.io": "get list watch create patch",
        "persistentvolumeclaims": "get list watch create",
        "pods": "list watch delete",
        "events": "create patch",
        "leases.coordination.k8s.io": "get watch create update",
    }
    for resource, verbs in wanted.items():
        plain, _, sub = resource.partition("/")
        for verb in verbs.split():
            more = (f"--subresource={sub}",) if sub else ()
            may, _ = cluster.kubectl(
                "auth", "can-i", verb, plain, "--namespace=team-a", f"--as={OPERATOR}", *more
            )
            expect(may, f"may not {verb} {resource}")


def test_the_operator_may_do_nothing_else(cluster):
    for verb, resource in (
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("delete", "persistentvolumeclaims"),
        ("delete", "deviceclusters.fractos.dev"),
        ("update", "taskgraphs.fractos.dev"),
        ("create", "taskgraphs.fractos.dev"),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
        ("escalate", "roles.rbac.authorization.k8s.io"),
        ("bind", "roles.rbac.authorization.k8s.io"),
        ("get", "nodes"),
        ("list", "namespaces"),
        ("impersonate", "serviceaccounts"),
        ("*", "*"),
    ):
        expect(not cluster.may(OPERATOR, verb, resource, "team-a"), f"may {verb} {resource}")


def test_the_operator_can_grant_daemons_what_they_need_and_no_more(cluster):
    went_well, said = cluster.role(OPERATOR, "team-a", "storage", DAEMON_RULES)
    expect(went_well, f"cannot make a daemon's Role: {said}")
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    went_well, said = cluster.role(OPERATOR, "team-a", "storage", secrets)
    expect(not went_well and "attempting to grant RBAC permissions" in said, f"secrets: {said}")


def test_leases_and_epochs_of_daemons_are_not_kept_waiting(cluster):
    daemon = "system:serviceaccount:team-a:storage"
    device = {"metadata": {"name": "storage", "namespace": "team-a"}}
    device.update(apiVersion="fractos.dev/v1alpha1", kind="DeviceCluster")
    device["spec"] = {"adaptor": {"command": ["fractos-adaptor", "storage"]}}
    cluster.must("create", "-f", "-", text=json.dumps(device))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    lease["metadata"] = {"name": "storage", "namespace": "team-a"}
    cluster.must("create", "-f", "-", text=json.dumps(lease))
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": DAEMON_RULES}
    role["metadata"] = {"name": "storage", "namespace": "team-a"}
    cluster.must("create", "-f", "-", f"--as={OPERATOR}", text=json.dumps(role))
    cluster.must(
        "create",
        "rolebinding",
        "storage",
        "--role=storage",
        "--serviceaccount=team-a:storage",
        "--namespace=team-a",
        f"--as={OPERATOR}",
    )
    as_daemon = (f"--as={daemon}", "--as-group=system:serviceaccounts")
    where = ("--namespace=team-a", *as_daemon, "--as-group=system:authenticated")
    leaders = f"{HOME}-fractos-leaders"
    found = cluster.flow_schema_of("get", "lease", "storage", *where)
    expect(found == leaders, f"a daemon's Lease is under {found}")
    said = cluster.must("get", "devicecluster", "storage", "--namespace=team-a", "-o", "json")
    device = {**json.loads(said), "status": {"leaderEpoch": 1}}
    path = "/apis/fractos.dev/v1alpha1/namespaces/team-a/deviceclusters/storage/status"
    found = cluster.flow_schema_of(
        "replace", "--raw", path, "-f", "-", *where[1:], text=json.dumps(device)
    )
    expect(found == leaders, f"a daemon's epoch is under {found}")
    found = cluster.flow_schema_of("get", "devicecluster", "storage", *where)
    expect(found == "service-accounts", f"another request of a daemon is under {found}")
    groups = (f"--as={OPERATOR}", "--as-group=system:serviceaccounts")
    found = cluster.flow_schema_of(
        "get", "taskgraphs", "--all-namespaces", *groups, "--as-group=system:authenticated"
    )
    expect(found == f"{HOME}-fractos-records", f"the operator's request is under {found}")


def test_what_the_chart_shows_can_be_applied(cluster):
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    _, notes = cluster.helm("get", "notes", "fractos")
    shown = notes[notes.index("<<GRAPH\n") + len("<<GRAPH\n") : notes.index("\nGRAPH\n")]
    examples += yaml.safe_load_all(shown)
    expect(len(examples) == 4, f"{len(examples)} examples")
    for each in examples:
        cluster.must(
            "create", "--dry-run=server", "--validate=strict", "-f", "-", text=json.dumps(each)
        )


def test_upgrades_to_some_namespaces_only(cluster):
    went_well, said = cluster.helm(
        "upgrade", "fractos", str(CHART), "--no-hooks", "--set", "watchNamespaces={team-a}"
    )
    expect(went_well, said)
    may = {
        place: cluster.may(OPERATOR, "list", "taskgraphs.fractos.dev", place)
        for place in ("team-a", "team-b")
    }
    expect(may == {"team-a": True, "team-b": False}, f"may list TaskGraphs: {may}")
    expect(
        cluster.may(OPERATOR, "update", "leases.coordination.k8s.io", HOME, "fractos-operator"),
        "may not hold its own Lease",
    )
    expect(
        not cluster.may(OPERATOR, "update", "leases.coordination.k8s.io", HOME, "other"),
        "may hold a Lease that is not its own",
    )


def test_uninstalls_all_but_the_crds(cluster):
    went_well, said = cluster.helm("uninstall", "fractos", "--no-hooks")
    expect(went_well, said)
    kinds = "deploy,svc,sa,pdb,role,rolebinding,clusterrole,clusterrolebinding,flowschema,cm,pod"
    left = cluster.must(
        "get", kinds, "-A", "-o", "name", "-l", "app.kubernetes.io/instance=fractos"
    )
    # Helm deletes what it made; nothing here deletes what an owner leaves behind.
    expect(not left.strip(), f"left: {left}")
    crds = cluster.must("get", "crd", "-o", "name", "-l", "app.kubernetes.io/part-of=fractos")
    expect(len(crds.split()) == 2, f"CRDs: {crds}")
    cluster.must("get", "devicecluster", "storage", "--namespace=team-a")


def test_takes_over_its_own_crds_again(cluster):
    went_well, said = cluster.helm("install", "fractos", str(CHART), "--no-hooks")
    expect(went_well, said)
    cluster.must("get", "devicecluster", "storage", "--namespace=team-a")


def test_takes_over_the_crds_of_another_namespace_only_when_told(cluster):
    went_well, said = cluster.helm("uninstall", "fractos", "--no-hooks")
    expect(went_well, said)
    flags = ["install", "fractos", str(CHART), "--no-hooks", "--namespace=team-b"]
    went_well, said = cluster.helm(*flags)
    expect(not went_well and "invalid ownership metadata" in said, said)
    went_well, said = cluster.helm(*flags, "--take-ownership")
    expect(went_well, said)
    cluster.must("get", "devicecluster", "storage", "--namespace=team-a")


def test_installs_without_rights_on_the_cluster(cluster):
    cluster.must("create", "namespace", "team-home")
    for namespace in ("team-home", "team-a", "team-b"):
        where = f"--namespace={namespace}"
        cluster.must("create", "role", "all", "--verb=*", "--resource=*.*", where)
        cluster.must("create", "rolebinding", "all", "--role=all", "--user=dev", where)
    flags = ["--no-hooks", "--kube-as-user=dev", "--namespace=team-home"]
    # The kinds of the Prometheus operator are not here.
    flags += [
        "--values",
        str(CHART / "ci/namespaced-values.yaml"),
        "--set=metrics.podMonitor.enabled=false",
    ]
    went_well, said = cluster.helm("install", "mine", str(CHART), *flags)
    expect(went_well, said)
    operator = "system:serviceaccount:team-home:mine-fractos-operator"
    expect(cluster.may(operator, "create", "statefulsets.apps", "team-b"), "may not in team-b")
    expect(not cluster.may(operator, "get", "taskgraphs.fractos.dev", HOME), "may elsewhere")


def await_flow_schemas(cluster):
    """Kubernetes makes its own FlowSchemas a moment after the server is ready."""
    end = time.monotonic() + 30
    while not cluster.kubectl("get", "flowschema", "service-accounts")[0]:
        expect(time.monotonic() < end, "Kubernetes has not made its FlowSchemas")
        time.sleep(0.2)


def run(plane, wanted):
    cluster, passed, failed = Cluster(plane), 0, 0
    await_flow_schemas(cluster)
    for name, function in list(globals().items()):
        title = name.removeprefix("test_").replace("_", " ")
        if not name.startswith("test_") or (wanted and not any(word in title for word in wanted)):
            continue
        try:
            function(cluster)
            passed += 1
            print(f"ok     {title}", flush=True)
        except Failed as why:
            failed += 1
            print(f"FAILED {title}: {why}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    missing = control_plane.missing("helm")
    if missing:
        print(f"tests/chart: {missing}", file=sys.stderr)
        return 2
    # So that `with` ends what was started, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with control_plane.ControlPlane.start() as plane:
        return run(plane, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
