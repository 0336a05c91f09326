"""etcd, API server, controller manager, scheduler, CoreDNS and the provisioner of volumes.

All are processes in the control plane's namespaces. CoreDNS too, rather than pods: it is up as soon
as the API server, needs no image, and a node that is cut off does not take everybody's names along.
"""
import json
import os
import signal
import sys

import api
import certificates
import layout
import processes
import programs
from certificates import certificate, key
from errors import ClusterError
from layout import CONTROL_IP, STATE

APISERVER = "kube-apiserver"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}]}

# ttl 0: a test that changes a service sees it at once. Names outside the cluster do not exist.
COREFILE = f"""
{layout.DOMAIN}:53 in-addr.arpa:53 {{
  bind {CONTROL_IP}
  errors
  ready 127.0.0.1:8181
  kubernetes {{
    kubeconfig {STATE}/coredns.kubeconfig
    pods insecure
    ttl 0
  }}
}}
.:53 {{
  bind {CONTROL_IP}
  errors
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def start_etcd(control):
    # Nothing here needs to outlive a loss of power, so nothing is synced, unless one measures.
    fsync = os.environ.get("ETCD_FSYNC") == "1"
    control.start("etcd", [
        programs.path("etcd"), "--name=etcd", f"--data-dir={STATE}/etcd",
        f"--listen-client-urls={layout.ETCD}", f"--advertise-client-urls={layout.ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn",
        *([] if fsync else ["--unsafe-no-fsync"])])


def start_apiserver(control):
    policy = STATE / "audit-policy.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    control.start(APISERVER, [
        programs.path("kube-apiserver"),
        f"--etcd-servers={layout.ETCD}",
        f"--bind-address={CONTROL_IP}", "--secure-port=6443", f"--advertise-address={CONTROL_IP}",
        f"--tls-cert-file={certificate('apiserver')}",
        f"--tls-private-key-file={key('apiserver')}",
        f"--client-ca-file={certificate('ca')}",
        f"--kubelet-certificate-authority={certificate('ca')}",
        f"--kubelet-client-certificate={certificate('apiserver-to-kubelet')}",
        f"--kubelet-client-key={key('apiserver-to-kubelet')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true", f"--service-cluster-ip-range={layout.SERVICES}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={layout.CERTIFICATES}/service-accounts.pub",
        f"--service-account-signing-key-file={key('service-accounts')}",
        # Webhooks: straight to the pods, for there is no kube-proxy in these namespaces.
        "--enable-aggregator-routing=true",
        f"--audit-policy-file={policy}", f"--audit-log-path={layout.AUDIT_LOG}",
        "--audit-log-maxsize=1000"])


def await_apiserver(seconds=60):
    """Waits until the API server says that it is ready."""
    record = processes.Record(APISERVER)
    client = api.Api()

    def ready():
        for needed in (processes.Record("etcd"), record):
            if needed.pid() is None:
                raise ClusterError(f"{needed.name} has ended\n{needed.last_words()}")
        return client.ready()

    processes.eventually(ready, seconds, f"API server at {layout.API} to be ready, see "
                                         f"{record.log}", interval=0.05)


def start_rest(control):
    """What needs the API server to be there, or waits for it."""
    for name in ("controller-manager", "scheduler", "coredns"):
        certificates.kubeconfig(name, STATE / f"{name}.kubeconfig")
    control.start("kube-controller-manager", [
        programs.path("kube-controller-manager"),
        f"--kubeconfig={STATE}/controller-manager.kubeconfig",
        "--bind-address=127.0.0.1", "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={certificate('ca')}",
        f"--service-account-private-key-file={key('service-accounts')}",
        f"--cluster-signing-cert-file={certificate('ca')}",
        f"--cluster-signing-key-file={key('ca')}",
        # A lost node is noticed after 20 s instead of 40: tests wait for it.
        "--node-monitor-grace-period=20s", "--node-monitor-period=2s"])
    control.start("kube-scheduler", [
        programs.path("kube-scheduler"), f"--kubeconfig={STATE}/scheduler.kubeconfig",
        "--bind-address=127.0.0.1", "--leader-elect=false"])
    corefile = STATE / "Corefile"
    corefile.write_text(COREFILE)
    control.start("coredns", [programs.path("coredns"), "-conf", corefile])
    control.start("provisioner", [
        "env", f"FRACTOS_CLUSTER_DIR={STATE}", sys.executable, "-B",
        layout.HERE / "provisioner.py"])


def stop_apiserver(at_once=False):
    """Stops the API server, or kills it; nothing else. Told to stop, it stops listening at once,
    but then waits for a minute for watches to end, so it is killed after 3 s."""
    record = processes.Record(APISERVER)
    if at_once or not record.kill(signal.SIGTERM, seconds=3):
        record.kill()
