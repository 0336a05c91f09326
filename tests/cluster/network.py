"""The wire between the control plane, the nodes and this machine.

A bridge in the control plane's namespace is the switch. There is no way out: packets for anywhere
else reach the control plane, which has no route for them and says so, so a test that calls outside
fails at once rather than in a minute. This machine reaches pods and services, by routes through the
nodes; all of that goes when the namespaces do.
"""
import ipaddress
import json
import subprocess

import layout
import processes
from errors import ClusterError
from layout import CONTROL_IP, HOST_IP, HOST_LINK


def require_free_ranges():
    """An error when this machine already uses the cluster's addresses."""
    ours = [ipaddress.ip_network(range_) for range_ in (layout.WIRE, layout.PODS, layout.SERVICES)]
    for route in json.loads(_host("ip", "-json", "-4", "route", "show", "table", "main")):
        if route["dst"] == "default":
            continue
        theirs = ipaddress.ip_network(route["dst"], strict=False)
        for range_ in ours:
            if range_.overlaps(theirs):
                raise ClusterError(
                    f"this machine has a route to {route['dst']} (dev {route.get('dev', '?')}), "
                    f"and the cluster needs {range_}: take that network down, or use another "
                    "cluster with KUBECONFIG=")


def make_switch(control):
    """The bridge, and this machine's end of a cable to it."""
    control.ip("link add switch type bridge",
               f"addr add {CONTROL_IP}/24 dev switch",
               "link set switch up")
    # 0: bridged packets are none of iptables' business here. Forwarding: to answer "unreachable".
    control.set_sysctls({"bridge/bridge-nf-call-iptables": 0, "ipv4/ip_forward": 1})
    _host("ip", "link", "add", HOST_LINK, "type", "veth",
          "peer", "name", "host", "netns", str(control.pid))
    control.ip("link set host master switch", "link set host up")
    _host("ip", "-batch", "-", given="\n".join([
        f"addr add {HOST_IP}/24 dev {HOST_LINK}",
        f"link set {HOST_LINK} up",
    ]) + "\n")


def connect(control, node, number, nodes):
    """A node's cable and its routes to the other nodes' pods."""
    _host("nsenter", f"--net=/proc/{control.pid}/ns/net", "ip", "link", "add", node.name,
          "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
    control.ip(f"link set {node.name} master switch", f"link set {node.name} up")
    node.ip(f"addr add {layout.node_ip(number)}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {CONTROL_IP}",
            *(_route_to_pods(other) for other in nodes if other != number))
    node.set_sysctls({"ipv4/ip_forward": 1, "bridge/bridge-nf-call-iptables": 1})


def route_to_nodes(control, nodes):
    """The ways of the control plane and this machine to pods, and of this machine to services:
    through the first node, whose kube-proxy does the rest."""
    control.ip(*map(_route_to_pods, nodes))
    _host("ip", "-batch", "-", given="\n".join([
        *map(_route_to_pods, nodes),
        f"route add {layout.SERVICES} via {layout.node_ip(nodes[0])}"]) + "\n")


def unplug():
    """Removes this machine's end of the cable, and with it the routes. The kernel takes namespaces
    apart in the background, so it may or may not have gone with them by now."""
    def gone():
        subprocess.run(["ip", "link", "del", HOST_LINK], capture_output=True)
        return subprocess.run(["ip", "link", "show", HOST_LINK], capture_output=True).returncode

    if not processes.eventually(gone, 10):
        raise ClusterError(f"the interface {HOST_LINK} does not go: ip link del {HOST_LINK}")


def _route_to_pods(number):
    return f"route add {layout.node_pods(number)} via {layout.node_ip(number)}"


def _host(*command, given=None):
    ended = subprocess.run(command, input=given, capture_output=True, text=True)
    if ended.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {ended.stderr.strip()[-500:]}")
    return ended.stdout
