"""The versions of tests/cluster/programs.py stand nowhere else, but where they must be equal."""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / "tests" / "cluster"
sys.path.append(str(CLUSTER))
import programs

ALL = programs.CLUSTER + programs.TOOLS


class ProgramsTest(unittest.TestCase):
    def test_no_test_and_no_tool_has_a_version_of_its_own(self):
        versions = [programs.KUBERNETES, *(f"{each.name}-{each.version}" for each in ALL)]
        for folder in ("tests", "tools"):
            for path in (ROOT / folder).rglob("*"):
                if path.suffix not in (".py", ".sh") or path.name == "programs.py":
                    continue
                text = path.read_text()
                self.assertEqual([v for v in versions if v in text], [], path)

    def test_what_is_built_as_a_module_is_of_that_version(self):
        for program in ALL:
            if not program.module:
                continue
            text = (CLUSTER / "binaries" / program.module / "go.mod").read_text()
            wanted = [version for module, version
                      in re.findall(r"^(?:require |\t)(\S+) v([\d.]+)\b", text, re.MULTILINE)
                      if f"{program.package}/".startswith(f"{module}/")]
            self.assertEqual(wanted, [program.version], program.name)

    def test_the_readme_says_them(self):
        said = {}
        readme = (CLUSTER / "README.md").read_text()
        for names, versions in re.findall(r"^\| ([^|]+) \| ([\d., ]+) \|", readme, re.MULTILINE):
            names, versions = names.split(": ")[-1].split(", "), versions.split(", ")
            said |= dict(zip(names, versions if len(versions) > 1 else versions * len(names)))
        self.assertEqual(said, {each.name: each.version for each in ALL})


if __name__ == "__main__":
    unittest.main()
