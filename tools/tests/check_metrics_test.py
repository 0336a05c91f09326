"""tools/check_metrics.py on a page and on code that do not agree."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import check_metrics

PAGE = """
| metric | type | labels | what |
|---|---|---|---|
| `fractos_runs` | gauge | | runs |
| `fractos_steps_total` | counter | `state` | steps |
| `workqueue_depth` | gauge | `name` | objects |
"""


class MetricsTest(unittest.TestCase):
    def faults(self, page, *names):
        return list(check_metrics.check_code(check_metrics.documented(page),
                                             dict.fromkeys(names, "daemon/metrics.cc")))

    def test_agree(self):
        self.assertEqual(self.faults(PAGE, "fractos_runs", "fractos_steps_total", "workqueue_depth"),
                         [])

    def test_a_metric_that_the_page_lacks_and_one_that_nothing_makes(self):
        found = self.faults(PAGE, "fractos_runs", "fractos_steps_total", "process_open_fds")
        self.assertEqual(found, ["docs/metrics.md: process_open_fds of daemon/metrics.cc is not here",
                                 "docs/metrics.md: nothing makes workqueue_depth"])

    def test_a_counter_is_called_total(self):
        found = self.faults("| `fractos_steps_total` | gauge | | steps |\n", "fractos_steps_total")
        self.assertEqual(found, ["docs/metrics.md: fractos_steps_total is a gauge"])

    def test_metrics_of_every_program_are_found(self):
        made = check_metrics.made()
        for name in ("fractos_leading", "fractos_runs_active", "workqueue_depth",
                     "process_open_fds", "rest_client_requests_total"):
            self.assertIn(name, made)


if __name__ == "__main__":
    unittest.main()
