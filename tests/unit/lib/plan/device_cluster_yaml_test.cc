// The fields of DeviceClusters. tests/crds/every_field.yaml has them all.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/plan/kubernetes_fields.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

std::string ClusterFaults(absl::string_view spec) {
  return Faults(absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: DeviceCluster\n"
                             "metadata: {name: x}\nspec:\n",
                             spec),
                "f", {});
}

// Of one whose adaptor is fine.
std::string Faults(absl::string_view field) {
  return ClusterFaults(absl::StrCat("  adaptor: {command: [x]}\n  ", field, "\n"));
}

// Of one with a volume and these volumeMounts.
std::string MountFaults(absl::string_view mounts) {
  return ClusterFaults(
      absl::StrCat("  volume: {claimName: c}\n  adaptor: {command: [x], "
                   "volumeMounts: [",
                   mounts, "]}\n"));
}

// `count` entries that `entry` makes of their number.
template <typename Entry>
std::string Repeat(size_t count, const Entry& entry) {
  std::string list;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&list, entry(i), ", ");
  return list;
}

// The API server accepts the same file (tests/crds).
// promise: G-23
TEST(DeviceClusterYamlTest, EveryFieldThatAClusterHasIsRead) {
  const std::string text =
      ReadFileOrDie(absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/crds/every_field.yaml"));
  EXPECT_EQ(fractos::Faults(text, "every_field.yaml", ShippedDevices()), "");
}

TEST(DeviceClusterYamlTest, ReplicasAndInFlight) {
  const auto with = [](absl::string_view field) {
    return ClusterFaults(absl::StrCat("  adaptor: {command: [x]}\n  ", field, "\n"));
  };
  EXPECT_EQ(with("replicas: 1"), "");
  EXPECT_EQ(with("replicas: 64"), "");
  EXPECT_THAT(with("replicas: 0"), HasSubstr("spec.replicas: must be 1 to 64, not \"0\""));
  EXPECT_THAT(with("replicas: 65"), HasSubstr("must be 1 to 64"));
  EXPECT_EQ(with("maxInFlight: 1"), "");
  EXPECT_EQ(with("maxInFlight: 4096"), "");
  EXPECT_THAT(with("maxInFlight: 0"), HasSubstr("spec.maxInFlight: must be 1 to 4096"));
  EXPECT_THAT(with("maxInFlight: 4097"), HasSubstr("spec.maxInFlight: must be 1 to 4096"));
}

TEST(DeviceClusterYamlTest, CommandsAndEnvironments) {
  const auto command = [](size_t words, size_t size) {
    std::string list;
    for (size_t i = 0; i < words; ++i) absl::StrAppend(&list, std::string(size, 'x'), ", ");
    return ClusterFaults(absl::StrCat("  adaptor: {command: [", list, "]}\n"));
  };
  EXPECT_EQ(command(kMaxCommandWords, 1), "");
  EXPECT_THAT(command(kMaxCommandWords + 1, 1), HasSubstr("has 65 entries, at most 64"));
  EXPECT_EQ(command(1, kMaxAdaptorTextBytes), "");
  EXPECT_THAT(command(1, kMaxAdaptorTextBytes + 1), HasSubstr("is 4097 bytes long, at most 4096"));
  EXPECT_THAT(ClusterFaults("  adaptor: {command: [\"\", x]}\n"), HasSubstr("must name a program"));
  const auto env = [](size_t count) {
    std::string list;
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&list, "{name: A", i, ", value: x}, ");
    return ClusterFaults(absl::StrCat("  adaptor: {command: [x], env: [", list, "]}\n"));
  };
  EXPECT_EQ(env(kMaxEnvironment), "");
  EXPECT_THAT(env(kMaxEnvironment + 1), HasSubstr("has 65 entries, at most 64"));
}

TEST(DeviceClusterYamlTest, VariablesOfTheEnvironmentHaveProperNames) {
  const auto env = [](absl::string_view entry) {
    return ClusterFaults(absl::StrCat("  adaptor: {command: [x], env: [", entry, "]}\n"));
  };
  EXPECT_EQ(env("{name: a_B9, value: x}"), "");
  for (const char* bad : {"9a", "a-b", "\"\"", "a=b"}) {
    EXPECT_THAT(env(absl::StrCat("{name: ", bad, ", value: x}")),
                HasSubstr("env[0].name: must be"));
  }
  EXPECT_THAT(env("{name: a}"), HasSubstr("env[0].value: is required"));
  EXPECT_THAT(env("{value: a}"), HasSubstr("env[0].name: is required"));
  EXPECT_THAT(env("{name: a, value: b, valueFrom: {}}"),
              HasSubstr("valueFrom: is not supported yet"));
}

TEST(DeviceClusterYamlTest, AnImageIsNamedOrLeftOut) {
  const auto image = [](const std::string& name) {
    return ClusterFaults(absl::StrCat("  adaptor: {command: [x], image: \"", name, "\"}\n"));
  };
  EXPECT_EQ(image(std::string(kMaxImageBytes, 'x')), "");
  EXPECT_THAT(image(std::string(kMaxImageBytes + 1, 'x')), HasSubstr("is 513 bytes long"));
  EXPECT_THAT(image(""), HasSubstr("spec.adaptor.image: must name an image"));
}

// A field enters when it works.
TEST(DeviceClusterYamlTest, FieldsThatDoNotWorkYetAreRefused) {
  EXPECT_EQ(Faults("placement: {}"), "f:6:3: spec.placement: is not supported yet: leave it out\n");
}

// promise: G-23, B-03
TEST(DeviceClusterYamlTest, UnknownFieldsOfWhatOnlyAClusterHasAreNamed) {
  for (const auto& [field, said] : {
           std::pair("leaderElection: {retryPeriodSecond: 1}",
                     "leaderElection.retryPeriodSecond: unknown field, did you mean"),
           std::pair("volume: {claimNam: a}", "volume.claimNam: unknown field, did you mean"),
           std::pair(
               "volume: {claimTemplate: {storageClass: a, resources: {requests: {storage: 1}}}}",
               "volume.claimTemplate.storageClass: unknown field"),
           std::pair("access: {namespace: [a]}", "access.namespace: unknown field, did you mean"),
           std::pair("template: {nodeSelektor: {}}",
                     "template.nodeSelektor: unknown field, did you mean \"nodeSelector\"?"),
           std::pair("template: {metadata: {name: a}}", "template.metadata.name: unknown field"),
           std::pair("template: {resources: {request: {}}}",
                     "template.resources.request: unknown field, did you mean \"requests\"?"),
           std::pair("template: {volumes: [{name: a, hostPath: {path: /}}]}",
                     "template.volumes[0].hostPath: unknown field"),
       }) {
    EXPECT_THAT(Faults(field), HasSubstr(absl::StrCat("spec.", said)));
  }
  EXPECT_THAT(MountFaults("{name: data, mountPath: /d, readonly: true}"),
              HasSubstr("volumeMounts[0].readonly: unknown field, did you mean \"readOnly\"?"));
}

TEST(DeviceClusterYamlTest, LeaseTimesHaveBoundsAndAnOrder) {
  const auto times = [](int lease, int renew, int retry) {
    return Faults(absl::StrCat("leaderElection: {leaseDurationSeconds: ", lease,
                               ", renewDeadlineSeconds: ", renew, ", retryPeriodSeconds: ", retry,
                               "}"));
  };
  EXPECT_EQ(times(300, 239, 60), "");
  EXPECT_EQ(times(4, 2, 1), "");
  EXPECT_EQ(Faults("leaderElection: {}"), "");
  EXPECT_THAT(times(301, 3, 1), HasSubstr("leaseDurationSeconds: must be 2 to 300"));
  EXPECT_THAT(times(1, 3, 1), HasSubstr("leaseDurationSeconds: must be 2 to 300"));
  EXPECT_THAT(times(300, 0, 1), HasSubstr("renewDeadlineSeconds: must be 1 to 300"));
  EXPECT_THAT(times(300, 100, 61), HasSubstr("retryPeriodSeconds: must be 1 to 60"));
  EXPECT_THAT(times(300, 100, 0), HasSubstr("retryPeriodSeconds: must be 1 to 60"));
  EXPECT_THAT(
      times(299, 239, 60),
      HasSubstr("spec.leaderElection.leaseDurationSeconds: must be more than "
                "renewDeadlineSeconds (239) and retryPeriodSeconds (60) together, not 299"));
  EXPECT_THAT(times(20, 6, 5),
              HasSubstr("renewDeadlineSeconds: must be more than 1.2 times retryPeriodSeconds (5), "
                        "not 6"));
  EXPECT_EQ(times(20, 7, 5), "");
  // What is not given has its default.
  EXPECT_THAT(Faults("leaderElection: {leaseDurationSeconds: 4}"),
              HasSubstr("f:6:42: spec.leaderElection.leaseDurationSeconds: must be more than "
                        "renewDeadlineSeconds (3)"));
  EXPECT_THAT(Faults("leaderElection: {retryPeriodSeconds: 3}"),
              HasSubstr("f:6:19: spec.leaderElection.leaseDurationSeconds: must be more than"));
}

TEST(DeviceClusterYamlTest, AVolumeIsAClaimOrATemplateOfOne) {
  const auto made = [](absl::string_view size, absl::string_view more = "") {
    return Faults(absl::StrCat("volume: {claimTemplate: {resources: {requests: {storage: ", size,
                               "}}", more, "}}"));
  };
  EXPECT_EQ(Faults("volume: {claimName: photos.of-cats}"), "");
  EXPECT_THAT(Faults("volume: {claimName: Photos}"), HasSubstr("volume.claimName: must be"));
  for (const char* neither : {"{}",
                              "{claimName: a, claimTemplate: {resources: {requests: "
                              "{storage: 1Gi}}}}"}) {
    EXPECT_THAT(Faults(absl::StrCat("volume: ", neither)),
                HasSubstr("spec.volume: must have exactly one of claimName and claimTemplate"));
  }
  EXPECT_THAT(Faults("volume: photos"), HasSubstr("spec.volume: must be a map"));
  EXPECT_THAT(Faults("volume: {claimTemplate: {}}"), HasSubstr("resources: is required"));
  EXPECT_THAT(Faults("volume: {claimTemplate: {resources: {}}}"),
              HasSubstr("resources.requests: is required"));
  EXPECT_THAT(Faults("volume: {claimTemplate: {resources: {requests: {}}}}"),
              HasSubstr("requests.storage: is required"));
  for (const char* good : {"10Gi", "1", "\"1\"", "1.5k", "\"2e9\"", ".5G", "100m"}) {
    EXPECT_EQ(made(good), "") << good;
  }
  for (const char* bad : {"10GB", "ten", "1Gii", "2e9", "[]", "010", "\"\""}) {
    EXPECT_THAT(made(bad), HasSubstr("requests.storage: must be")) << bad;
  }
  EXPECT_EQ(made("1", ", storageClassName: fast, accessModes: [ReadWriteOncePod]"), "");
  EXPECT_THAT(made("1", ", accessModes: [ReadWriteMary]"),
              HasSubstr("accessModes[0]: must be ReadWriteOnce, ReadOnlyMany, ReadWriteMany or "
                        "ReadWriteOncePod, not \"ReadWriteMary\", did you mean"));
  EXPECT_THAT(made("1", ", accessModes: []"), HasSubstr("must have at least one entry"));
  EXPECT_THAT(made("1", ", accessModes: [a, a, a, a, a]"), HasSubstr("at most 4"));
}

TEST(DeviceClusterYamlTest, ReplicasShareAVolumeThatManyCanMount) {
  const auto faults = [](int replicas, absl::string_view modes) {
    return Faults(absl::StrCat("replicas: ", replicas, "\n  volume: {claimTemplate: {", modes,
                               "resources: {requests: {storage: 1Gi}}}}"));
  };
  EXPECT_EQ(faults(1, ""), "");
  EXPECT_EQ(faults(2, "accessModes: [ReadWriteOnce, ReadWriteMany], "), "");
  EXPECT_EQ(faults(2, "accessModes: [ReadOnlyMany], "), "");
  for (const char* few : {"", "accessModes: [ReadWriteOnce], "}) {
    EXPECT_THAT(faults(2, few), HasSubstr("f:6:13: spec.replicas: more than one replica needs a "
                                          "volume that many can mount: ReadWriteMany"));
  }
  EXPECT_EQ(Faults("replicas: 2\n  volume: {claimName: whose-modes-nobody-knows-here}"), "");
}

TEST(DeviceClusterYamlTest, MountsNameAVolumeAndAPlace) {
  EXPECT_EQ(MountFaults("{name: data, mountPath: /data, subPath: a, readOnly: true}"), "");
  EXPECT_THAT(MountFaults("{name: data}"), HasSubstr("[0].mountPath: is required"));
  EXPECT_THAT(MountFaults("{mountPath: /data}"), HasSubstr("[0].name: is required"));
  EXPECT_THAT(MountFaults("{name: data, mountPath: /data, readOnly: 'no'}"),
              HasSubstr("readOnly: must be true or false"));
  for (const char* path : {"data", "\"\"", "\"/a:b\""}) {
    EXPECT_THAT(MountFaults(absl::StrCat("{name: data, mountPath: ", path, "}")),
                HasSubstr("mountPath: must be an absolute path without ':', not "));
  }
  const auto long_path = [](size_t bytes) {
    return MountFaults(absl::StrCat("{name: data, mountPath: /", std::string(bytes - 1, 'x'), "}"));
  };
  EXPECT_EQ(long_path(kMaxMountPathBytes), "");
  EXPECT_THAT(long_path(kMaxMountPathBytes + 1), HasSubstr("is 1025 bytes long, at most 1024"));
  EXPECT_THAT(MountFaults("{name: data, mountPath: /a}, {name: data, mountPath: /a}"),
              HasSubstr("volumeMounts[1].mountPath: \"/a\" is there twice"));
  const auto many = [](size_t count) {
    return MountFaults(
        Repeat(count, [](size_t i) { return absl::StrCat("{name: data, mountPath: /", i, "}"); }));
  };
  EXPECT_EQ(many(kMaxVolumeMounts), "");
  EXPECT_THAT(many(kMaxVolumeMounts + 1), HasSubstr("has 33 entries, at most 32"));
  EXPECT_THAT(MountFaults("{name: dato, mountPath: /a}"),
              HasSubstr("[0].name: there is no volume \"dato\", did you mean \"data\"?"));
  EXPECT_THAT(
      ClusterFaults("  adaptor: {command: [x], volumeMounts: [{name: data, mountPath: /a}]}"),
      HasSubstr("there is no volume \"data\": spec.volume makes it"));
}

// promise: G-23, O-32
TEST(DeviceClusterYamlTest, AccessNamesNamespaces) {
  const auto access = [](absl::string_view list) {
    return Faults(absl::StrCat("access: {namespaces: [", list, "]}"));
  };
  EXPECT_EQ(access(""), "");
  EXPECT_EQ(access("vision, 2nd-team, " + std::string(63, 'x')), "");
  EXPECT_THAT(access("Vision"), HasSubstr("access.namespaces[0]: must be a namespace"));
  EXPECT_THAT(access("\"*\""), HasSubstr("must be a namespace"));
  EXPECT_THAT(access(std::string(64, 'x')), HasSubstr("is 64 bytes long, at most 63"));
  EXPECT_THAT(access("a, b, a"), HasSubstr("access.namespaces[2]: \"a\" is there twice"));
  const auto many = [&access](size_t count) {
    return access(Repeat(count, [](size_t i) { return absl::StrCat("n", i); }));
  };
  EXPECT_EQ(many(kMaxAccessNamespaces), "");
  EXPECT_THAT(many(kMaxAccessNamespaces + 1), HasSubstr("has 65 entries, at most 64"));
  EXPECT_THAT(Faults("access: {namespaces: vision}"), HasSubstr("must be a list, not text"));
}

TEST(DeviceClusterYamlTest, TheUpdatePolicyIsOneOfTwo) {
  EXPECT_EQ(Faults("updatePolicy: Automatic"), "");
  EXPECT_THAT(Faults("updatePolicy: manual"),
              HasSubstr("spec.updatePolicy: must be Automatic or Manual, not \"manual\", did you "
                        "mean \"Manual\"?"));
}

TEST(DeviceClusterYamlTest, TheTemplateIsCheckedAsFarAsItIsOurs) {
  const auto pods = [](absl::string_view field) {
    return Faults(absl::StrCat("template: {", field, "}"));
  };
  // Kubernetes' own, whatever is in it.
  EXPECT_EQ(pods("tolerations: [{a: {b: [1]}}], affinity: {a: 1}"), "");
  EXPECT_THAT(pods("tolerations: {a: b}"), HasSubstr("template.tolerations: must be a list"));
  EXPECT_THAT(pods("tolerations: [a]"), HasSubstr("template.tolerations[0]: must be a map"));
  EXPECT_THAT(pods("affinity: []"), HasSubstr("template.affinity: must be a map"));
  EXPECT_THAT(pods("priorityClassName: 5"), HasSubstr("priorityClassName: must be text"));
  EXPECT_THAT(pods("nodeSelector: {a: true}"), HasSubstr("nodeSelector.a: must be text"));
  for (const auto& [list, most] :
       {std::pair("tolerations", 32), std::pair("imagePullSecrets", 16),
        std::pair("topologySpreadConstraints", 16), std::pair("resourceClaims", 32)}) {
    const auto many = [&pods, list = list](int count) {
      return pods(absl::StrCat(list, ": [", Repeat(count, [](size_t) { return "{}"; }), "]"));
    };
    EXPECT_EQ(many(most), "");
    EXPECT_THAT(many(most + 1), HasSubstr(absl::StrCat("at most ", most, " are allowed")));
  }
  EXPECT_THAT(pods("resources: {limits: {memory: 1GB}}"),
              HasSubstr("resources.limits.memory: must be an amount like 10Gi or 500m"));
  EXPECT_THAT(pods("metadata: {labels: {fractos.dev/x: z}}"),
              HasSubstr("template.metadata.labels: labels under fractos.dev/ and"));
  EXPECT_THAT(pods("metadata: {labels: {app.kubernetes.io/name: z}}"),
              HasSubstr("belong to the operator"));
  EXPECT_EQ(pods("metadata: {annotations: {app.kubernetes.io/name: z}}"), "");
}

TEST(DeviceClusterYamlTest, VolumesOfTheTemplateHaveANameAndOneKind) {
  const auto volumes = [](absl::string_view list) {
    return Faults(absl::StrCat("template: {volumes: [", list, "]}"));
  };
  EXPECT_EQ(volumes("{name: a, emptyDir: {}}, {name: b, secret: {secretName: c}}"), "");
  EXPECT_THAT(volumes("{emptyDir: {}}"), HasSubstr("volumes[0].name: is required"));
  EXPECT_THAT(volumes("{name: a}"), HasSubstr("volumes[0]: must have exactly one of configMap, "));
  EXPECT_THAT(volumes("{name: a, emptyDir: {}, secret: {}}"), HasSubstr("must have exactly one"));
  EXPECT_THAT(volumes("{name: a, emptyDir: Memory}"), HasSubstr("emptyDir: must be a map"));
  EXPECT_THAT(volumes("{name: tmp, emptyDir: {}}"),
              HasSubstr("data, fractos, fractos-token, tmp are the operator's own volumes"));
  EXPECT_THAT(volumes("{name: a, emptyDir: {}}, {name: a, emptyDir: {}}"),
              HasSubstr("volumes[1].name: \"a\" is there twice"));
  EXPECT_THAT(volumes("{name: A, emptyDir: {}}"), HasSubstr("name: must be a volume's name"));
  EXPECT_EQ(ClusterFaults("  adaptor: {command: [x], volumeMounts: [{name: a, mountPath: /a}]}\n"
                          "  template: {volumes: [{name: a, emptyDir: {}}]}\n"),
            "");
}

}  // namespace
}  // namespace fractos
