"""Whether a Prometheus has something to say to every query of dashboards and alerts."""

import json
import math
import urllib.parse
import urllib.request

import queries

ALL = ".+"  # what Grafana puts in for "All"


def ask(prometheus, path, **parameters):
    """The data that the HTTP API answers with."""
    url = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def has_data(prometheus, expression, span, labels=frozenset()):
    """Whether a graph over `span`, (start, end), would show anything that has `labels`."""
    start, end = span
    step = max(1, int((end - start) / 300))
    data = ask(prometheus, "query_range", query=expression, start=start, end=end, step=step)
    return any(
        math.isfinite(float(value)) and labels <= series["metric"].keys()
        for series in data["result"]
        for _, value in series["values"]
    )


def check(prometheus, span, clusters, with_operator, rate="10s"):
    """(with data, without, not asked): the names of the queries.

    `clusters` are DeviceClusters of which each panel must show something for one at least. Without
    an operator what takes one is not asked. `rate` is what Grafana would make of four scrapes."""
    good, bad, left_out = [], [], []
    values = {
        "job": ALL,
        "instance": ALL,
        "__rate_interval": rate,
        "__range": f"{max(1, int(span[1] - span[0]))}s",
    }
    for query in queries.panels() + queries.alerts():
        if not with_operator and queries.takes_operator(query.expression):
            left_out.append(query.where)
            continue
        asked = {
            queries.filled(query.expression, {**values, "cluster": cluster})
            for cluster in clusters
        }
        found = any(has_data(prometheus, each, span, query.labels) for each in asked)
        (good if found else bad).append(query.where)
    for where, label, selector in queries.variables():
        if not with_operator and queries.takes_operator_alone(selector):
            left_out.append(where)
            continue
        match = queries.filled(selector, {**values, "cluster": clusters[0]})
        found = ask(prometheus, f"label/{label}/values", **{"match[]": match})
        (good if found else bad).append(where)
    return good, bad, left_out
