"""tools/check_docs.py on small documents."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import check_docs

BIN = pathlib.Path("/usr/bin")


def problems(text, timeout=20):
    return check_docs.follow("x.md", check_docs.script_of("x.md", text)[0], BIN, timeout)


class DocsTest(unittest.TestCase):
    def test_blocks_run_in_order_in_one_shell(self):
        text = "```yaml\n# a/b.yaml\nkey: 'v'\n```\n\n```sh\ncd a\n```\n```sh\ngrep -q key b.yaml\n```\n"
        self.assertEqual(problems(text), [])

    def test_a_failing_command_is_named_by_its_place(self):
        found = problems("Text.\n\n```sh\ntrue\nfalse | cat\necho not reached\n```\n")
        self.assertEqual(len(found), 1)
        self.assertIn("x.md:3: ends with 1", found[0])
        self.assertNotIn("not reached", found[0])

    def test_a_block_may_say_why_it_is_not_run(self):
        script, run, left_out = check_docs.script_of("x.md", "```sh\n# not run: slow\nfalse\n```\n")
        self.assertEqual((run, left_out), (0, 1))
        self.assertNotIn("false", script)

    def test_blocks_in_lists_lose_their_indentation(self):
        blocks = list(check_docs.blocks_of("1. Do:\n\n   ```sh\n   true\n   ```\n"))
        self.assertEqual([(b.line, b.body) for b in blocks], [(3, "true\n")])

    def test_what_is_left_running_is_a_problem_and_ended(self):
        found = problems("```sh\nsleep 1000 >/dev/null 2>&1 &\n```\n")
        self.assertEqual(len(found), 1)
        self.assertIn("leaves a process: sleep 1000", found[0])

    def test_links_lead_to_a_file_and_to_a_heading_in_it(self):
        self.assertEqual(check_docs.anchors("# It: `a` and b\n## C++\n"), {"it-a-and-b", "c"})
        page = check_docs.ROOT / "docs" / "README.md"
        for text, wrong in (
                ("[a](../README.md#two-commands) [b](https://x/y#z) [c](install.md)", []),
                ("[a](nowhere.md)", ["docs/README.md: the link to nowhere.md leads nowhere"]),
                ("[a](install.md#nowhere)",
                 ["docs/README.md: install.md#nowhere: there is no such heading"])):
            self.assertEqual(list(check_docs.dead_links(page, text)), wrong)

    def test_hanging_is_a_problem(self):
        found = problems("```sh\nsleep 1000\n```\n", timeout=0.2)
        self.assertIn("x.md: not done after 0.2 s", found[0])


if __name__ == "__main__":
    unittest.main()
