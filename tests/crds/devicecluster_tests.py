"""What the API server makes of DeviceClusters."""

import copy

from harness import cluster, expect, graph


def test_an_epoch_never_goes_down(server):
    server.create(cluster("epochs"))

    def write(epoch):
        return server.patch(
            "devicecluster",
            "epochs",
            {"status": {"leaderEpoch": epoch, "leader": {"pod": "epochs-1"}}},
            "--subresource=status",
        )

    expect(write(7)[0], "the first epoch was refused")
    for epoch in (6, None):
        accepted, said = write(epoch)
        expect(not accepted and "status.leaderEpoch: " in said, f"epoch {epoch}: {said}")
    expect(write(8)[0], "the next epoch was refused")
    _, said = server.run("get", "dcl", "epochs")
    header, row = said.splitlines()[:2]
    expect(
        header.split() == ["NAME", "READY", "LEADER", "EPOCH", "VERSION", "AGE"],
        f"the columns are {header}",
    )
    expect("epochs-1" in row and " 8 " in row, f"the row is {row}")


def test_a_cluster_scales_as_far_as_its_volume_allows(server):
    claim = {"claimTemplate": {"resources": {"requests": {"storage": "1Gi"}}}}
    server.create(cluster("one", volume=claim))
    accepted, said = server.run("scale", "dcl", "one", "--replicas=3")
    expect(
        not accepted and "spec.replicas" in said and "ReadWriteMany" in said,
        f"scaled over its volume: {said}",
    )
    server.create(
        cluster(
            "many",
            replicas=2,
            volume={
                "claimTemplate": {
                    "accessModes": ["ReadWriteMany"],
                    "resources": {"requests": {"storage": "1Gi"}},
                }
            },
        )
    )
    accepted, said = server.run("scale", "dcl", "many", "--replicas=3")
    expect(accepted, f"was not scaled: {said}")
    for change in ({"volume": None}, {"volume": {"claimTemplate": {"storageClassName": "fast"}}}):
        accepted, said = server.patch("dcl", "many", {"spec": change})
        expect(
            not accepted and "spec.volume: " in said and "is immutable" in said, f"{change}: {said}"
        )


def test_the_fields_of_a_cluster_are_checked(server):
    server.accepts(
        cluster(
            replicas=64,
            maxInFlight=4096,
            updatePolicy="Manual",
            access={"namespaces": [f"team-{i}" for i in range(63)] + ["0" * 63]},
            volume={"claimName": "photos"},
            leaderElection={
                "leaseDurationSeconds": 15,
                "renewDeadlineSeconds": 10,
                "retryPeriodSeconds": 2,
            },
            adaptor={
                "command": ["fractos-adaptor", "storage"],
                "image": "registry.example.com/a:1",
                "options": {"root": "/data", "deep": {"er": [1]}},
                "env": [{"name": "LANG", "value": "C"}],
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "model", "mountPath": "/model", "readOnly": True},
                ],
            },
            template={
                "metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
                "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "claims": [{"name": "gpu"}]},
                "nodeSelector": {"disk": "fast"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "affinity": {
                    "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}
                },
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ],
                "imagePullSecrets": [{"name": "pull"}],
                "priorityClassName": "high",
                "runtimeClassName": "gvisor",
                "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}],
                "volumes": [{"name": "model", "configMap": {"name": "model"}}],
            },
        )
    )
    command = ["x"]
    wrong = {
        "spec.replicas": {"replicas": 65},
        "spec.maxInFlight": {"maxInFlight": 4097},
        "spec.updatePolicy": {"updatePolicy": "Sometimes"},
        "spec.access.namespaces": {"access": {"namespaces": [f"team-{i}" for i in range(65)]}},
        "spec.access.namespaces[0]": {"access": {"namespaces": ["a" * 64]}},
        "spec.access.namespaces[1]": {"access": {"namespaces": ["a", "*"]}},
        "spec.leaderElection.leaseDurationSeconds": {"leaderElection": {"leaseDurationSeconds": 4}},
        "spec.leaderElection.renewDeadlineSeconds": {
            "leaderElection": {"leaseDurationSeconds": 60, "retryPeriodSeconds": 3}
        },
        "spec.volume": {
            "volume": {
                "claimName": "a",
                "claimTemplate": {"resources": {"requests": {"storage": "1Gi"}}},
            }
        },
        "spec.volume.claimTemplate.resources": {"volume": {"claimTemplate": {}}},
        "spec.adaptor.command": {"adaptor": {"command": [""]}},
        'spec.adaptor.volumeMounts[0].name: there is no volume "data"': {
            "adaptor": {
                "command": command,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        },
        'spec.adaptor.volumeMounts[0].name: there is no volume "model"': {
            "adaptor": {
                "command": command,
                "volumeMounts": [{"name": "model", "mountPath": "/data"}],
            }
        },
        "spec.adaptor.volumeMounts[0].mountPath": {
            "adaptor": {"command": command, "volumeMounts": [{"name": "data", "mountPath": "data"}]}
        },
        'spec.adaptor.volumeMounts[0].mountPath: Invalid value: "string": /run/fractos is taken': {
            "adaptor": {
                "command": command,
                "volumeMounts": [{"name": "data", "mountPath": "/run/fractos/data"}],
            },
            "volume": {"claimName": "photos"},
        },
        "spec.adaptor.env[0]": {
            "adaptor": {"command": command, "env": [{"name": "A", "valueFrom": {}}]}
        },
        "spec.template.metadata.labels": {
            "template": {"metadata": {"labels": {"fractos.dev/devicecluster": "x"}}}
        },
        "spec.template.volumes[0].name": {
            "template": {"volumes": [{"name": "data", "emptyDir": {}}]}
        },
        "spec.template.volumes[0].hostPath": {
            "template": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}
        },
        "spec.template.volumes[0]: ": {"template": {"volumes": [{"name": "a"}]}},
        "spec.template.hostNetwork": {"template": {"hostNetwork": True}},
    }
    for field, spec in wrong.items():
        server.refuses(cluster(**copy.deepcopy(spec)), field)


def test_names_are_labels_of_at_most_40_characters(server):
    for make in (graph, cluster):
        server.accepts(make("a" * 40))
        for name in ("a" * 41, "0a", "a.b"):
            server.refuses(make(name), "metadata.name")
    server.accepts(
        graph(steps=[{"name": "a", "device": "b" * 40 + "/" + "c" * 40, "operation": "d" * 40}])
    )
    for device in ("b" * 41, "b/" + "c" * 41, "B", "a/b/c", "/a"):
        server.refuses(
            graph(steps=[{"name": "a", "device": device, "operation": "d"}]), "spec.steps[0].device"
        )
