"""Where everything of the cluster lies, and what it is called. Nothing here does anything.

10.250.0.0/24 is the wire that all are on: the control plane at .1, node N at .1N, this machine at
.254. The control plane has network namespaces of its own, so no port of this machine is taken.
"""
import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

# containerd puts overlay file systems into it, so it must be on a real one: no tmpfs, no overlay.
STATE = pathlib.Path(os.environ.get("FRACTOS_CLUSTER_DIR") or "/var/lib/fractos-cluster")
KUBECONFIG = STATE / "kubeconfig"
AUDIT_LOG = STATE / "audit.log"
LOGS = STATE / "logs"
CERTIFICATES = STATE / "certificates"
PROCESSES = STATE / "processes"
VOLUMES = STATE / "volumes"

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fractos"
PROGRAMS = CACHE / "bin"
PATH = CACHE / "path"
IMAGES = CACHE / "images"

CONTROL = "control"
MOST_NODES = 9
WIRE = "10.250.0.0/24"
CONTROL_IP = "10.250.0.1"
HOST_IP = "10.250.0.254"
HOST_LINK = "fractos0"
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DOMAIN = "cluster.local"
API = f"https://{CONTROL_IP}:6443"
ETCD = "http://127.0.0.1:2379"  # in the control plane's namespace

# Every process gets this environment, whatever the caller's is.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


def node_name(number):
    return f"node{number}"


def node_number(name):
    return int(name.removeprefix("node"))


def node_ip(number):
    return f"10.250.0.{10 + number}"


def node_pods(number):
    return f"10.244.{number}.0/24"
