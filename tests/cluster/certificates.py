"""Who is who in the cluster: one authority, and a key and certificate for each.

Made anew with every cluster, by openssl. Kubernetes takes the name from CN and the groups from O.
"""
import base64
import concurrent.futures
import json
import subprocess

import layout
from errors import ClusterError

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365"]


def certificate(name):
    return layout.CERTIFICATES / f"{name}.crt"


def key(name):
    return layout.CERTIFICATES / f"{name}.key"


def make(nodes):
    """Makes them all, for nodes of these numbers."""
    layout.CERTIFICATES.mkdir(mode=0o700, parents=True, exist_ok=True)
    _openssl("req", "-x509", *_KEY, "-keyout", key("ca"), "-out", certificate("ca"),
             "-subj", "/CN=fractos-cluster",
             "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc",
             f"kubernetes.default.svc.{layout.DOMAIN}", "localhost"]
    wanted = [
        ("apiserver", "/CN=kube-apiserver",
         [f"DNS:{name}" for name in names] +
         [f"IP:{ip}" for ip in (layout.CONTROL_IP, layout.API_SERVICE_IP, "127.0.0.1")]),
        ("apiserver-to-kubelet", "/CN=apiserver-to-kubelet", []),
        ("admin", "/O=system:masters/CN=admin", []),
        ("controller-manager", "/CN=system:kube-controller-manager", []),
        ("scheduler", "/CN=system:kube-scheduler", []),
        ("proxy", "/CN=system:kube-proxy", []),
        ("coredns", "/CN=coredns", []),
        ("provisioner", "/CN=provisioner", []),
    ]
    for number in nodes:
        node = layout.node_name(number)
        wanted.append((node, f"/O=system:nodes/CN=system:node:{node}",
                       [f"DNS:{node}", f"IP:{layout.node_ip(number)}"]))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda who: _sign(*who), wanted))
    # What service accounts' tokens are signed with.
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-out", key("service-accounts"))
    _openssl("pkey", "-in", key("service-accounts"), "-pubout",
             "-out", layout.CERTIFICATES / "service-accounts.pub")


def kubeconfig(name, file):
    """Writes a kubeconfig that holds all it needs, so that it can be copied. JSON is YAML."""
    def data(path):
        return base64.b64encode(path.read_bytes()).decode()

    file.touch(mode=0o600)
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "fractos",
        "clusters": [{"name": "fractos", "cluster": {
            "server": layout.API, "certificate-authority-data": data(certificate("ca"))}}],
        "users": [{"name": name, "user": {
            "client-certificate-data": data(certificate(name)),
            "client-key-data": data(key(name))}}],
        "contexts": [{"name": "fractos", "context": {"cluster": "fractos", "user": name}}],
    }, indent=2) + "\n")
    return file


def _sign(name, subject, alternatives):
    usage = "serverAuth,clientAuth" if alternatives else "clientAuth"
    extensions = ["-addext", "basicConstraints=critical,CA:FALSE",
                  "-addext", "keyUsage=critical,digitalSignature",
                  "-addext", f"extendedKeyUsage={usage}"]
    if alternatives:
        extensions += ["-addext", f"subjectAltName={','.join(alternatives)}"]
    _openssl("req", "-x509", *_KEY, "-keyout", key(name), "-out", certificate(name),
             "-subj", subject, "-CA", certificate("ca"), "-CAkey", key("ca"), *extensions)


def _openssl(*arguments):
    ended = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise ClusterError(f"openssl {arguments[0]} failed: {ended.stderr.strip()[-500:]}")
