"""tools/check_reference.py on small pages that lack something, or have too much."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import check_reference as reference

HELP = """Usage: it [OPTIONS]

Options:
  -h,--help                   Print this help message and exit
  --version                   Display program version information and exit
  -n,--name TEXT REQUIRED     the name, unlike --other
  --restart,--no-restart{false}
                              whether
  -z TEXT                     only short
"""
FLAGS = "## Flags\n\n| flag | |\n|---|---|\n| `-n`, `--name` | as `--else` |\n| `--restart`, `--no-restart` | |\n"
SCHEMA = {"properties": {
    "phase": {"type": "string"},
    "leader": {"properties": {"pod": {"type": "string"}}},
    "steps": {"type": "array", "items": {"properties": {"ref": {"type": "string"}}}},
    "conditions": {"type": "array", "items": {"properties": {"type": {"type": "string"}}}},
}}
STATUS = """## Device: `status`

| field | says |
|---|---|
| `phase`, `leader.pod` | a word, and `more` |
| `steps[].ref` | where |
| `conditions` | below |

| condition | reason |
|---|---|
| `Ready` | `Leading` |

## Next

| `no` | field |
"""


class ReferenceTest(unittest.TestCase):
    def test_a_status_is_described_field_by_field(self):
        self.assertEqual(list(reference.status_faults(STATUS, "Device", SCHEMA)), [])
        less = STATUS.replace("| `steps[].ref` | where |\n", "")
        self.assertEqual(list(reference.status_faults(less, "Device", SCHEMA)),
                         ["docs/taskgraph.md: ## Device: `status` lacks steps[].ref"])
        more = STATUS.replace("`phase`, ", "`phase`, `stage`, ")
        self.assertEqual(list(reference.status_faults(more, "Device", SCHEMA)),
                         ["docs/taskgraph.md: ## Device: `status` has stage, which the CRD has not"])

    def test_flags_are_those_that_the_program_says(self):
        self.assertEqual(list(reference.flag_faults(FLAGS, "it.md", HELP)), [])
        self.assertEqual(list(reference.flag_faults(FLAGS.replace(", `--no-restart`", ""), "it.md", HELP)),
                         ["it.md: lacks the flag --no-restart"])
        self.assertEqual(list(reference.flag_faults(FLAGS + "| `--gone` | |\n", "it.md", HELP)),
                         ["it.md: has the flag --gone, which the program has not"])
        self.assertEqual(reference.options(HELP),
                         [["-n", "--name"], ["--restart", "--no-restart"], ["-z"]])

    def test_reasons_are_found_wherever_a_condition_is_made(self):
        code = '''return {"Ready", "False", "NoLeader", "none leads"};
                  refusal = {"InvalidSpec", text};
                  const char* reason = started ? "DeviceChanged" : "InvalidGraph";
                  return yes("Scaling", text);
                  return {"NeedsSharedVolume", text};
                  {"Succeeded", failing ? "False" : "Unknown", why}'''
        self.assertEqual(reference.REASON.findall(code),
                         ["NoLeader", "InvalidSpec", "DeviceChanged", "InvalidGraph", "Scaling",
                          "NeedsSharedVolume"])

    def test_events_of_logs_are_found_either_of_two_as_well(self):
        code = 'log.Write(Level::kInfo, idle() ? "drained" : "stopping");\nWrite(Level::kError, "down", {});'
        self.assertEqual(reference.LOGGED.findall(code), [("drained", "stopping"), ("down", "")])
        self.assertEqual(list(reference.missing("| `down` | |", "x.md", ["down", "up"], "event")),
                         ["x.md: lacks the event up"])

    def test_each_folder_has_one_row(self):
        table = "## Every folder in a line\n\n| `lib/base` | a | |\n| `docs` | b | |\n| `docs` | c | |\n"
        self.assertEqual(list(reference.folder_faults(table, ["docs", "lib", "krew"])),
                         ["ARCHITECTURE.md: docs has 2 rows",
                          "ARCHITECTURE.md: the folder krew has no row"])

    def test_a_section_ends_where_the_next_begins(self):
        text = "## A\none\n### B\ntwo\n## C\nthree\n"
        self.assertEqual(reference.section(text, "## A"), "\none\n### B\ntwo\n")
        self.assertEqual(reference.section(text, "### B"), "\ntwo\n")


if __name__ == "__main__":
    unittest.main()
