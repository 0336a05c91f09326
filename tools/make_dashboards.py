#!/usr/bin/env python3
"""Makes the Grafana dashboards of the chart, helm/fractos/dashboards, of tools/dashboards.yaml.

  tools/make_dashboards.py [--check]

A dashboard's JSON is a thousand lines of which a few say something. --check only says whether the
files are what this makes.
"""
import argparse
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
MADE = ROOT / "helm" / "fractos" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
KINDS = {"stat": {"width": 4, "height": 4}, "graph": {"width": 8, "height": 7}}
OPTIONS = {
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "graph": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}


def variable(name, label, query, many=True):
    all_of_them = {"selected": True, "text": "All", "value": "$__all"}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "allValue": ".+" if many else "",
        "current": all_of_them if many else {},
    }


def variables(of, cluster):
    """Data source, job and instance of what has a metric of `of`; and one DeviceCluster."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource"}
    made = [{**source, "query": "prometheus", "current": {}, "hide": 0, "refresh": 1}]
    within = f'__name__=~"{of}"'
    made.append(variable("job", "Job", f"label_values({{{within}}}, job)"))
    within += ', job=~"$job"'
    if cluster:
        values = f"label_values({{{within}}}, cluster)"
        made.append(variable("cluster", "DeviceCluster", values, many=False))
        within += ', cluster="$cluster"'
    made.append(variable("instance", "Instance", f"label_values({{{within}}}, instance)"))
    return made


def expression(short, cluster):
    """A query with what every selector picks put in."""
    pick = 'job=~"$job", instance=~"$instance"' + (', cluster="$cluster"' if cluster else "")
    picked = re.sub(r"\{([^}]*)\}", lambda m: f"{{{pick}, {m[1]}}}" if m[1] else f"{{{pick}}}", short)
    return picked.replace("[]", "[$__rate_interval]")


def panel(spec, cluster):
    kind = "stat" if "stat" in spec else "graph"
    stacking = {"mode": "normal" if spec.get("stack") else "none", "group": "A"}
    lines = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "stacking": stacking}
    defaults = {"unit": spec["unit"], "min": 0, "custom": lines if kind == "graph" else {}}
    targets = [
        {
            "datasource": SOURCE,
            "expr": expression(query, cluster),
            "legendFormat": legend if kind == "graph" else spec[kind],
            "refId": chr(ord("A") + index),
            "range": True,
            "instant": False,
            "editorMode": "code",
        }
        for index, (legend, query) in enumerate(spec["queries"].items())
    ]
    return {
        "type": "timeseries" if kind == "graph" else kind,
        "title": spec[kind],
        "description": spec["what"],
        "datasource": SOURCE,
        "gridPos": {"w": spec.get("width", KINDS[kind]["width"]), "h": KINDS[kind]["height"]},
        "options": OPTIONS[kind],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": targets,
    }


def row(title):
    place = {"w": WIDTH, "h": 1}
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place}


def placed(panels):
    """The panels from left to right, then down."""
    x = y = tallest = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        each["id"], place["x"], place["y"] = number, x, y
        x, tallest = x + place["w"], max(tallest, place["h"])
    return panels


def dashboard(name, spec):
    cluster = spec["cluster"]
    panels = [row(each["row"]) if "row" in each else panel(each, cluster) for each in spec["panels"]]
    others = {"type": "dashboards", "title": "FractOS", "tags": ["fractos"], "asDropdown": True}
    return {
        "uid": f"fractos-{name}",
        "title": spec["title"],
        "description": spec["description"],
        "tags": ["fractos"],
        "editable": False,  # a change made in Grafana would be lost with the next release
        "graphTooltip": 1,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "timezone": "",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": [{**others, "includeVars": False, "keepTime": True, "targetBlank": False}],
        "templating": {"list": variables(spec["of"], cluster)},
        "panels": placed(panels),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    check = parser.parse_args().check
    specs = yaml.safe_load((ROOT / "tools" / "dashboards.yaml").read_text())
    stale = []
    for name, spec in specs.items():
        path = MADE / f"{name}.json"
        text = json.dumps(dashboard(name, spec), indent=2) + "\n"
        if not check:
            MADE.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"helm/fractos/dashboards: run tools/make_dashboards.py: {', '.join(stale)} are old")
        return 1
    print(f"{len(specs)} dashboards {'are up to date' if check else 'made'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
