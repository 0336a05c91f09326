"""What dashboards and alerts ask Prometheus, gathered from the chart, with its variables filled in."""

import json
import pathlib
import re
from typing import NamedTuple

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "fractos"
SERIES = re.compile(
    r"\b((?:fractos|controller_runtime|workqueue|rest_client|leader_election|process)_[a-z_]+)"
    r"(\{[^}]*\})?"
)
OF_THE_OPERATOR = re.compile(r"^## Operator$(.*?)^## ", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)


class Query(NamedTuple):
    where: str  # "fleet.json: Hop: p50", or the alert's name
    expression: str
    labels: frozenset = frozenset()  # that its legend names


def operator_metrics():
    """Those that only the operator has, or a daemon on Kubernetes."""
    section = OF_THE_OPERATOR.search((ROOT / "docs" / "metrics.md").read_text())[1]
    return {name for name in ROW.findall(section) if not name.startswith("process_")}


def panels():
    """The queries of every panel, their variables as they stand."""
    found = []
    for path in sorted(CHART.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                where = f"{path.name}: {panel['title']}: {target['legendFormat']}"
                labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                found.append(Query(where, target["expr"], frozenset(labels)))
    return found


def variables():
    """The queries of every variable that a dashboard lets people choose: (where, label, selector)."""
    found = []
    for path in sorted(CHART.glob("dashboards/*.json")):
        for variable in json.loads(path.read_text())["templating"]["list"]:
            asked = re.fullmatch(r"label_values\((\{.*\}), (\w+)\)", variable.get("definition", ""))
            if asked:
                found.append((f"{path.name}: ${variable['name']}", asked[2], asked[1]))
    return found


def selectors(expression):
    """The series that an expression looks at."""
    return {name + labels for name, labels in SERIES.findall(expression)}


def alerts():
    """The series of every alert. The alert itself gives nothing as long as all is well."""
    rules = yaml.safe_load((CHART / "files" / "rules" / "fractos.yaml").read_text())
    return [
        Query(f"{rule['alert']}: {series}", series)
        for group in rules["groups"]
        for rule in group["rules"]
        for series in sorted(selectors(rule["expr"]))
    ]


def filled(expression, values):
    """`expression` with the dashboards' variables replaced by `values`, longer names first."""
    for name in sorted(values, key=len, reverse=True):
        expression = expression.replace(f"${name}", values[name])
    return expression


def takes_operator(expression):
    names = {series.partition("{")[0] for series in selectors(expression)}
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    return bool((names | stems) & operator_metrics())


def takes_operator_alone(selector):
    """Whether all metrics that a variable chooses among are the operator's."""
    names = re.search(r'__name__=~"([^"]*)"', selector)[1].split("|")
    return all(name in operator_metrics() for name in names)
