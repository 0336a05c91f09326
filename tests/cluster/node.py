"""A node: containerd, kubelet and kube-proxy in namespaces of their own."""
import json

import cgroups
import certificates
import images
import layout
import network
import processes
import programs
from certificates import certificate, key
from errors import ClusterError
from sandbox import Sandbox


class Node:
    """One node, by its number; its sandbox may have been made by an earlier command."""

    def __init__(self, number):
        self.number = number
        self.name = layout.node_name(number)
        self.sandbox = Sandbox(self.name)
        self.folder = self.sandbox.folder

    def make(self, control, nodes):
        """Its namespaces and cable; containerd runs, and has the pause image."""
        cgroups.make(self.name)
        self.sandbox.create()
        network.connect(control, self.sandbox, self.number, nodes)
        self._start_containerd()
        images.load([images.pause_archive()], [self.sandbox])

    def start(self):
        """Starts what makes a node of it. Does not wait for the API server."""
        self._start_kubelet()
        self._start_proxy()

    def _start_containerd(self):
        self._write_cni()
        config = self.folder / "containerd.toml"
        # restrict_oom_score_adj: without CAP_SYS_RESOURCE, runc could not lower a pod's.
        config.write_text(f"""
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{self.folder}/cni"
""")
        containerd = self.sandbox.start(f"{self.name}-containerd",
                                        ["containerd", "--config", config])

        def answers():
            if containerd.pid() is None:
                raise ClusterError(f"{containerd.name} has ended\n{containerd.last_words()}")
            try:
                return self.sandbox.run(["ctr", "version"])
            except ClusterError:
                return None

        processes.eventually(answers, 30, f"{containerd.name} to answer, see {containerd.log}",
                             interval=0.1)

    def _write_cni(self):
        cni = self.folder / "cni"
        cni.mkdir(parents=True, exist_ok=True)
        (cni / "10-bridge.conflist").write_text(json.dumps({
            "cniVersion": "1.0.0", "name": "pods", "plugins": [
                {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True,
                 "ipam": {"type": "host-local",
                          "ranges": [[{"subnet": layout.node_pods(self.number)}]],
                          "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": True}}]}))

    def _start_kubelet(self):
        certificates.kubeconfig(self.name, self.folder / "kubelet.kubeconfig")
        # Names outside the cluster are not looked up anywhere: there is no way out.
        (self.folder / "resolv.conf").write_text("")
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(certificate("ca"))}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate(self.name)),
            "tlsPrivateKeyFile": str(key(self.name)),
            "address": layout.node_ip(self.number),
            "clusterDNS": [layout.CONTROL_IP], "clusterDomain": layout.DOMAIN,
            "resolvConf": str(self.folder / "resolv.conf"),
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "volumePluginDir": str(self.folder / "volume-plugins"),
            "cgroupDriver": "cgroupfs", "cgroupRoot": cgroups.path(self.name),
            "failSwapOn": False, "oomScoreAdj": 0,
            # All nodes share one disk and one memory: eviction and clearing up would only disturb.
            "evictionHard": {name: "1%" for name in (
                "memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")},
            "imageGCHighThresholdPercent": 100,
            # Containers that are killed again and again come back after 10 to 17 s at most,
            # rather than after up to 5 minutes.
            "featureGates": {"KubeletCrashLoopBackOffMax": True},
            "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
            "nodeLeaseDurationSeconds": 20,
        }, indent=2))
        self.sandbox.start(f"{self.name}-kubelet", [
            programs.path("kubelet"), f"--config={config}",
            f"--kubeconfig={self.folder}/kubelet.kubeconfig",
            f"--hostname-override={self.name}", f"--node-ip={layout.node_ip(self.number)}",
            f"--node-labels=topology.kubernetes.io/zone=zone{self.number}"])

    def _start_proxy(self):
        certificates.kubeconfig("proxy", self.folder / "proxy.kubeconfig")
        config = self.folder / "proxy.json"
        config.write_text(json.dumps({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{self.folder}/proxy.kubeconfig"},
            "hostnameOverride": self.name, "mode": "iptables", "clusterCIDR": layout.PODS,
            # The limits of connection tracking are this machine's, and no node's to change.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s",
                          "tcpCloseWaitTimeout": "0s"},
            "oomScoreAdj": 0,
        }, indent=2))
        self.sandbox.start(f"{self.name}-proxy",
                           [programs.path("kube-proxy"), f"--config={config}"])
