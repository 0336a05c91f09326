"""tests/dashboards/queries.py on the chart as it is, and on expressions that are easy to misread."""
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "dashboards"))
import queries


class Queries(unittest.TestCase):
    def test_every_panel_alert_and_variable_is_found(self):
        dashboards = {query.where.split(":")[0] for query in queries.panels()}
        self.assertEqual(dashboards, {"device.json", "fleet.json", "tax.json"})
        self.assertTrue(all(query.where and query.expression for query in queries.panels()))
        text = (queries.CHART / "files" / "rules" / "fractos.yaml").read_text()
        alerts = {query.where.split(":")[0] for query in queries.alerts()}
        self.assertEqual(len(alerts), text.count("- alert:"))
        self.assertIn(("device.json: $cluster", "cluster"), [v[:2] for v in queries.variables()])

    def test_series_are_told_from_functions_labels_and_windows(self):
        self.assertEqual(
            queries.selectors(
                'sum by (cluster, le) (rate(fractos_hop_seconds_bucket{job="x"}[5m])) / '
                "max(process_open_fds) > 0.1 and workqueue_depth"
            ),
            {'fractos_hop_seconds_bucket{job="x"}', "process_open_fds", "workqueue_depth"},
        )

    def test_a_longer_variable_is_not_taken_for_a_shorter(self):
        values = {"cluster": "c", "cluster_name": "n"}
        self.assertEqual(queries.filled("$cluster_name $cluster", values), "n c")

    def test_what_takes_an_operator_is_known_by_its_metrics(self):
        self.assertTrue(queries.takes_operator("rate(fractos_run_seconds_bucket{}[5m])"))
        self.assertTrue(queries.takes_operator("1 - fractos_runs / fractos_runs_active"))
        self.assertFalse(queries.takes_operator("fractos_runs + process_open_fds"))
        self.assertTrue(queries.takes_operator_alone('{__name__=~"fractos_runs_active"}'))
        self.assertFalse(
            queries.takes_operator_alone('{__name__=~"fractos_runs|fractos_runs_active"}')
        )


if __name__ == "__main__":
    unittest.main()
