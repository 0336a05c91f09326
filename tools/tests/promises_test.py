"""tools/promises.py on small fixtures."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import promises

# Written so that this file names no promise itself.
SAY = "promise" + ": "


class PromisesTest(unittest.TestCase):
    def test_reads_ids_and_headings(self):
        text = "# Title\n\nProse.\n\n## X. Words\n\n- X-01: One.\n- X-02: Two.\n"
        self.assertEqual(promises.read_promises(text),
                         [(None, "## X. Words"), ("X-01", "One."), ("X-02", "Two.")])

    def test_refuses_an_id_twice_and_a_line_that_is_no_promise(self):
        with self.assertRaisesRegex(ValueError, "X-01 is there twice"):
            promises.read_promises("- X-01: One.\n- X-01: Again.\n")
        with self.assertRaisesRegex(ValueError, "not a promise"):
            promises.read_promises("- X-1: One.\n")

    def test_finds_the_test_below_or_around_a_comment(self):
        lines = [f"// {SAY}X-01", "// and why.", "TEST(Suite,", "     Name) {",
                 f"  // {SAY}X-02", "}", "TEST_F(Other, One) {}"]
        self.assertEqual(promises.test_at(lines, 0, "f"), "Suite.Name")
        self.assertEqual(promises.test_at(lines, 4, "f"), "Suite.Name")
        self.assertEqual(promises.test_at([f"# {SAY}X-01", "def test_it(self):"], 0, "f"),
                         "test_it")
        self.assertEqual(promises.test_at([f"# {SAY}X-01", "x=1"], 0, "run.sh"), "run.sh")

    def test_reads_several_ids_from_one_comment(self):
        with tempfile.TemporaryDirectory(dir=promises.ROOT / "tools") as folder:
            file = pathlib.Path(folder) / "a_test.cc"
            file.write_text(f"// {SAY}X-01, X-03\nTEST(A, B) {{}}\nauto no = \"{SAY}X-02\";\n")
            found = promises.read_mentions(pathlib.Path(folder))
        self.assertEqual(sorted(found), ["X-01", "X-03"])
        self.assertEqual(found["X-01"][0][1], "A.B")


if __name__ == "__main__":
    unittest.main()
