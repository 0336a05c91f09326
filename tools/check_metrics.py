#!/usr/bin/env python3
"""Holds docs/metrics.md, the code, the dashboards and the alerts together.

  tools/check_metrics.py [--promtool PROGRAM]

* docs/metrics.md has every metric that daemon, operator and lib make, and no other; those that count
  up, and only those, end in _total.
* Dashboards and alerts use no metric that docs/metrics.md does not have.
* Each alert has a page docs/runbooks/ALERT.md, each page an alert, and tests/alerts tries each.
* A dashboard asks for its data source, job and instance, and every query obeys; every panel has a
  title, a description and a unit; rates are over $__rate_interval.
* With promtool: every query of a dashboard is PromQL.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "fractos"
TABLE_ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| .*\|$", re.MULTILINE)
NAME = re.compile(
    r"\b(?:fractos|controller_runtime|workqueue|rest_client|leader_election|process)_[a-z_]+\b"
)
# A name in quotes and nothing else: what is registered, wherever that is.
IN_CODE = re.compile(rf'"({NAME.pattern})"')
CODE = ("daemon", "operator", "lib")
SUFFIXES = ("_bucket", "_sum", "_count")


def documented(text):
    """Type, by name."""
    return dict(TABLE_ROW.findall(text))


def made():
    """The metrics that programs make, by name: where."""
    return {
        name: path.relative_to(ROOT)
        for folder in CODE
        for path in sorted((ROOT / folder).rglob("*.cc"))
        for name in IN_CODE.findall(path.read_text())
    }


def bare(name, known):
    """A histogram's own name for one of its series."""
    for suffix in SUFFIXES:
        stem = name.removesuffix(suffix)
        if stem != name and known.get(stem) == "histogram":
            return stem
    return name


def check_code(known, in_code):
    for name in sorted(in_code.keys() - known.keys()):
        yield f"docs/metrics.md: {name} of {in_code[name]} is not here"
    for name in sorted(known.keys() - in_code.keys()):
        yield f"docs/metrics.md: nothing makes {name}"
    for name, kind in known.items():
        if (kind == "counter") != name.endswith("_total"):
            yield f"docs/metrics.md: {name} is a {kind}"


def check_names(where, expression, known):
    without_labels = re.sub(r"\{[^}]*\}", "", expression)
    for name in NAME.findall(without_labels):
        if bare(name, known) not in known:
            yield f"{where}: docs/metrics.md has no metric {name}"


def check_alerts(known):
    rules = yaml.safe_load((CHART / "files" / "rules" / "fractos.yaml").read_text())
    runbooks = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    tried = set(
        re.findall(r"alertname: (\w+)", (ROOT / "tests/alerts/fractos_test.yaml").read_text())
    )
    alerts = set()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        alerts.add(rule["alert"])
        yield from check_names(rule["alert"], rule["expr"], known)
        if (
            not rule["annotations"]
            .get("runbook_url", "")
            .endswith(f"/docs/runbooks/{rule['alert']}.md")
        ):
            yield f"{rule['alert']}: its runbook_url does not lead to docs/runbooks/{rule['alert']}.md"
    for alert in sorted(alerts - tried):
        yield f"{alert}: tests/alerts/fractos_test.yaml does not try it"
    for alert in sorted(alerts - runbooks):
        yield f"{alert}: there is no docs/runbooks/{alert}.md"
    for page in sorted(runbooks - alerts):
        yield f"docs/runbooks/{page}.md: there is no such alert"


def check_panel(where, panel, known):
    for field, value in (
        ("title", panel.get("title")),
        ("description", panel.get("description")),
        ("unit", panel.get("fieldConfig", {}).get("defaults", {}).get("unit")),
    ):
        if not value:
            yield f"{where}: has no {field}"
    if not panel.get("targets"):
        yield f"{where}: asks for nothing"
    for target in panel.get("targets", []):
        expression = target["expr"]
        yield from check_names(where, expression, known)
        for selector in re.findall(r"\b[a-z_]+(\{[^}]*\})", expression):
            if 'job=~"$job"' not in selector or 'instance=~"$instance"' not in selector:
                yield f"{where}: a query does not pick its targets by job and instance: {expression}"
        for window in re.findall(r"\brate\([^\[]*\[([^\]]*)\]", expression):
            if window != "$__rate_interval":
                yield f"{where}: a rate is over {window}, not $__rate_interval"


def check_dashboards(known):
    for path in sorted(CHART.glob("dashboards/*.json")):
        made = json.loads(path.read_text())
        asked = [variable["name"] for variable in made["templating"]["list"]]
        for name in ("datasource", "job", "instance"):
            if name not in asked:
                yield f"{path.name}: has no variable {name}"
        if made.get("editable") is not False:
            yield f"{path.name}: is editable; changes in Grafana would be lost"
        for panel in made["panels"]:
            if panel["type"] != "row":
                yield from check_panel(f"{path.name}: {panel['title']}", panel, known)


def check_queries(promtool):
    """As recording rules, for promtool reads no bare expressions."""
    values = {
        "$job": "x",
        "$instance": "x",
        "$cluster": "x",
        "$__rate_interval": "5m",
        "$__range": "1h",
    }
    rules = []
    for path in sorted(CHART.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"]
                for variable, value in values.items():
                    expression = expression.replace(variable, value)
                rules.append(
                    {
                        "record": f"query:{len(rules)}",
                        "expr": expression,
                        "labels": {"panel": f"{path.name} {panel['title']}"},
                    }
                )
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
        file.flush()
        done = subprocess.run(
            [promtool, "check", "rules", file.name], capture_output=True, text=True
        )
        if done.returncode != 0:
            yield f"a query is no PromQL: {done.stdout}{done.stderr}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--promtool", help="also has this program read every query")
    promtool = parser.parse_args().promtool
    known = documented((ROOT / "docs" / "metrics.md").read_text())
    faults = [*check_code(known, made()), *check_alerts(known), *check_dashboards(known)]
    if promtool:
        faults += check_queries(promtool)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{len(known)} metrics, {len(list(CHART.glob('dashboards/*.json')))} dashboards")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
