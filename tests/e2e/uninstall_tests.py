"""What is left in the end."""

from harness import HOME, SYSTEM, expect

MADE = ("statefulset", "pod", "service", "lease", "budget", "networkpolicy", "role", "rolebinding",
        "serviceaccount")


def uninstall(world):
    """Nothing stays but the CRDs and the claims that keep what devices stored."""
    world.must("delete", "taskgraphs,deviceclusters", "--all", f"--namespace={HOME}")
    label = "app.kubernetes.io/managed-by=fractos-operator"
    world.wait("what was made of DeviceClusters is gone",
               lambda: not [one for kind in MADE for one in world.list(kind, HOME, label)])
    went_well, said = world.helm("uninstall", "fractos", "--wait")
    expect(went_well, said)

    def left():
        """What is called after the release; what the cluster itself is made of begins otherwise."""
        return [f"{kind}/{name}"
                for kind, namespace in (("clusterrole", None), ("clusterrolebinding", None),
                                        ("flowschema", None), ("deployment", SYSTEM), ("pod", SYSTEM),
                                        ("service", SYSTEM), ("configmap", SYSTEM),
                                        ("secret", SYSTEM), ("role", SYSTEM), ("rolebinding", SYSTEM),
                                        ("serviceaccount", SYSTEM), ("lease", SYSTEM))
                for name in (one["metadata"]["name"] for one in world.list(kind, namespace))
                if "fractos" in name and not name.startswith("fractos-cluster:")]

    # The operator's Lease is collected with its ServiceAccount.
    world.wait("nothing is left behind", lambda: not left())
    crds = [one["metadata"]["name"] for one in world.list("crd")]
    expect("taskgraphs.fractos.dev" in crds, f"the CRDs are to stay: {crds}")
    claims = [one["metadata"]["name"] for one in world.list("claim")]
    expect(any("storage" in claim for claim in claims), f"the claims are to stay: {claims}")
