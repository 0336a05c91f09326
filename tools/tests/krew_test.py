"""tools/krew.py on a program that is everywhere, and the manifest against what Krew expects."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import krew


def read_manifest(text):
    """The few shapes of YAML that the manifest has: "key: value" by dotted path, blocks as text."""
    fields, path, block = {}, [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        if block is not None:
            if line.strip() == "" or indent > block[1]:
                fields[block[0]] += line.strip() + "\n"
                continue
            block = None
        match = re.match(r"( *)(- )?([A-Za-z0-9]+):(?: (.*))?$", line)
        if not match:
            raise ValueError(f"not understood: {line}")
        depth = indent + (2 if match[2] else 0)
        path = [(d, k) for d, k in path if d < depth] + [(depth, match[3])]
        name = ".".join(k for _, k in path)
        if match[4] == "|":
            fields[name], block = "", (name, depth)
        elif match[4]:
            fields[name] = match[4]
    return fields


class KrewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.output = pathlib.Path(cls.folder.name)
        cls.program = pathlib.Path(shutil.which("ls")).resolve()
        cls.make(cls.output)
        cls.archive = cls.output / "fractos_v1.2.3_linux_amd64.tar.gz"
        cls.manifest = read_manifest((cls.output / "fractos.yaml").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls, output):
        subprocess.run([sys.executable, ROOT / "tools/krew.py", "--bin", cls.program, "--version",
                        "1.2.3", "--output", output], check=True, capture_output=True)

    def test_the_manifest_has_the_shape_that_krew_expects(self):
        self.assertEqual(self.manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2")
        self.assertEqual(self.manifest["kind"], "Plugin")
        # Krew wants the file named as the plugin.
        self.assertEqual(self.manifest["metadata.name"], "fractos")
        self.assertTrue((ROOT / "krew/fractos.yaml").is_file())
        self.assertRegex(self.manifest["spec.version"], r"^v\d+\.\d+\.\d+$")
        self.assertRegex(self.manifest["spec.homepage"], r"^https://")
        short = self.manifest["spec.shortDescription"]
        self.assertLessEqual(len(short), 50)
        self.assertNotRegex(short, r"\.$|(?i:kubectl|kubernetes)")
        self.assertTrue(self.manifest["spec.description"].strip())
        platform = "spec.platforms."
        self.assertEqual(self.manifest["spec.platforms.selector.matchLabels.os"], "linux")
        self.assertEqual(self.manifest["spec.platforms.selector.matchLabels.arch"], "amd64")
        self.assertEqual(self.manifest[platform + "bin"], "kubectl-fractos")
        self.assertRegex(self.manifest[platform + "uri"], r"^https://.*/" + self.archive.name + "$")

    def test_the_archive_is_the_one_named_and_has_its_licence(self):
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        self.assertEqual(self.manifest["spec.platforms.sha256"], digest)
        with tarfile.open(self.archive) as archive:
            names = archive.getnames()
            program = archive.getmember("kubectl-fractos")
            self.assertEqual(program.mode, 0o755)
            self.assertEqual(archive.extractfile("LICENSE").read(),
                             (ROOT / "LICENSE").read_bytes())
        self.assertFalse([name for name in names if name.startswith("/") or ".." in name])
        self.assertFalse([name for name in names if re.search(r"/libc\.so", name)])

    def test_the_same_inputs_give_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as again:
            self.make(pathlib.Path(again))
            self.assertEqual((pathlib.Path(again) / self.archive.name).read_bytes(),
                             self.archive.read_bytes())

    def test_a_placeholder_that_is_left_is_refused(self):
        with self.assertRaisesRegex(ValueError, "@SHA256@"):
            krew.fill("a: @SHA256@\n", {})
        self.assertEqual(krew.fill("# why\na: @B@\n", {"B": "c"}), "a: c\n")


if __name__ == "__main__":
    unittest.main()
