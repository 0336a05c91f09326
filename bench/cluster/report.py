"""What was measured: figures for machines, and a page for people."""

import json

from figures import table

TITLES = {"latency": "Latency of a run", "load": "A thousand runs at once",
          "kills": "The leader is killed", "deletions": "The leader's pod is deleted"}


def shown(value, unit=""):
    if value is None:
        return ""
    text = f"{value:,.0f}" if value == round(value) else f"{value:,.3g}" if value < 100 else \
        f"{value:,.1f}"
    return f"{text} {unit}".strip()


def line(one):
    held = "holds" if one["holds"] else "DOES NOT HOLD"
    ratio = "" if one["ratio"] is None else f", ratio {one['ratio']}"
    return f"  {one['measure']:<36} {shown(one['value'], one['unit']):>10}{ratio}  " \
           f"({one['bound']}) {held}"


def described(machines):
    """The machine, and for each part the commit; a word for what would make figures dubious."""
    one = machines["latency"]
    yield (f"{one['model']}, {one['processors']} processors, {one['memoryGiB']} GiB, Linux "
           f"{one['kernel']}, {one['when']}; a 4 KiB write and fdatasync on the disk of etcd takes "
           f"{one['syncMilliseconds']} ms (p50). Control plane, three nodes, all pods and the "
           "bench itself share these processors.")
    yield ""
    yield from table(["part", "commit", "etcd syncs its log", "load of the machine just before"], [
        [name, f"`{part['commit']}`", "yes" if part["etcdSyncs"] else "**no**",
         f"{part['loadBefore']:.1f}"] for name, part in machines.items()])


def write(folder, parts, found):
    """The page and the list beside it; the list."""
    measures = [one for name, part in parts.items() for one in part.measures(found[name]["found"])]
    lines = [
        "# What `make cluster-bench` found", "",
        "Written by `make cluster-bench` ([how](../../bench/cluster/README.md)), on the Kubernetes "
        "of tests/cluster with the chart installed; the figures with their bounds are in "
        "[cluster.json](cluster.json), too.", "",
        *described({name: part["machine"] for name, part in found.items()}), "",
        *table(["measure", "value", "baseline", "ratio", "bound", "holds"], [
            [f"`{one['measure']}`", shown(one["value"], one["unit"]), shown(one["baseline"]),
             shown(one["ratio"]), one["bound"], "yes" if one["holds"] else "**no**"]
            for one in measures])]
    for name, part in parts.items():
        lines += ["", f"## {TITLES[name]}", "", *part.page(found[name]["found"])]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.md").write_text("\n".join(lines) + "\n")
    (folder / "cluster.json").write_text(json.dumps(measures, indent=2) + "\n")
    return measures
