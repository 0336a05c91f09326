"""`make` alone says what there is to make, and documents name no target that there is not."""
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([^\s:#=.$]+):(?!=)", MAKEFILE, re.MULTILINE))
NAMED = re.compile(r"`make ([a-z0-9-]+)[ `]|^make ([a-z0-9-]+)\b", re.MULTILINE)


class MakefileTest(unittest.TestCase):
    def test_every_target_that_says_what_it_makes_is_shown(self):
        said = set(re.findall(r"^([^\s:#=]+):[^=\n].*## \S", MAKEFILE, re.MULTILINE))
        shown = subprocess.run(["make", "-s", "-C", ROOT, "help"], capture_output=True, text=True,
                               check=True).stdout
        self.assertEqual(said - set(re.findall(r"^  ([^\s]+) ", shown, re.MULTILINE)), set())
        self.assertIn("e2e", said)

    def test_what_documents_say_to_make_can_be_made(self):
        for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"),
                     *(ROOT / "tests").glob("*/README.md")):
            for found in NAMED.finditer(path.read_text()):
                self.assertIn(found[1] or found[2], TARGETS, path)

    def test_a_push_without_a_registry_asks_for_one(self):
        said = subprocess.run(["make", "-s", "-C", ROOT, "push", "REGISTRY="], capture_output=True,
                              text=True, check=False)
        self.assertIn("which registry? As in: make push REGISTRY=", said.stderr)
        self.assertNotEqual(said.returncode, 0)


if __name__ == "__main__":
    unittest.main()
