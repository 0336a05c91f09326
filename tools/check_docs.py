#!/usr/bin/env python3
"""Runs what README.md and docs/*.md tell the reader to type.

  tools/check_docs.py [--bin build/dev/bin] [FILE...]

Each document is followed from top to bottom in a copy of the project, with the programs on PATH:

* a ```sh block is typed into one shell per document (so `cd` lasts), which stops at the first
  command that fails; a block whose first line is `# not run: why` is passed over;
* a block of another language whose first line is a comment with a file's name (`# hello.yaml`,
  `// device.cc`) is written to that file, for the commands after it.

Relative links of all documents of the project, those in other folders too, must lead to a file and,
after a #, to a heading. Nothing may be left running at the end.
"""
import argparse
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```\s*$",
                   re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"^(?:#|//) ([\w][\w./-]*\.\w+)$")
NOT_RUN = re.compile(r"^# not run: \S")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")


@dataclasses.dataclass
class Block:
    line: int
    language: str
    body: str


def blocks_of(text):
    for found in FENCE.finditer(text):
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        yield Block(text.count("\n", 0, found.start()) + 1, found["language"], body)


def script_of(name, text):
    """The shell script that does what the document says; its commands' count; the blocks left out."""
    script, run, left_out = ["set -euo pipefail"], 0, 0
    for block in blocks_of(text):
        first = block.body.split("\n", 1)[0]
        if block.language == "sh":
            if NOT_RUN.match(first):
                left_out += 1
                continue
            run += 1
            script.append(f"at={shlex.quote(f'{name}:{block.line}')}")
            script.append(block.body)
        elif file := FILE_NAME.match(first):
            quoted = shlex.quote(file[1])
            script.append(f"mkdir -p \"$(dirname {quoted})\"")
            script.append(f"printf %s {shlex.quote(block.body)} > {quoted}")
    script.insert(1, "trap 'status=$?; [ $status = 0 ] || echo \"$at: ends with $status\" >&2' EXIT")
    return "\n".join(script) + "\n", run, left_out


def anchors(text):
    """What a # may lead to, as they are made of the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
            for heading in headings}


def dead_links(path, text):
    for target, anchor in LINK.findall(FENCE.sub("", text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        where = path.parent / target if target else path
        if not where.exists():
            yield f"{path.relative_to(ROOT)}: the link to {target} leads nowhere"
        elif anchor and where.suffix == ".md" and anchor not in anchors(where.read_text()):
            yield f"{path.relative_to(ROOT)}: {target}#{anchor}: there is no such heading"


def project_files(*patterns):
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", "--", *patterns],
                            capture_output=True, text=True, check=True)
    return sorted({name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})


def copy_project(scratch):
    for name in project_files():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, scratch / name)


def follow(name, script, binaries, timeout):
    """Problems found by following one document."""
    with tempfile.TemporaryDirectory(prefix="fractos-docs-") as folder:
        scratch = pathlib.Path(folder) / "fractos"
        copy_project(scratch)
        # What documents say of build/release/bin holds in the copy too.
        (scratch / "build/release").mkdir(parents=True)
        (scratch / "build/release/bin").symlink_to(binaries)
        marker = f"FRACTOS_DOCS={folder}"
        environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "HOME": folder,
                       "FRACTOS_HOME": f"{folder}/data",
                       "FRACTOS_DOCS": folder}
        shell = subprocess.Popen(["bash"], cwd=scratch, env=environment, text=True,
                                 start_new_session=True, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        problems = []
        try:
            output, _ = shell.communicate(script, timeout=timeout)
            if shell.returncode != 0:
                problems.append("\n".join(output.splitlines()[-15:]) or f"{name}: fails")
        except subprocess.TimeoutExpired:
            problems.append(f"{name}: not done after {timeout} s")
        # Whatever a command started has this document's mark in its environment.
        for attempt in range(20):
            left = processes_with(marker)
            if not left:
                break
            time.sleep(0.1)
        for pid, command in left:
            problems.append(f"{name}: leaves a process: {command}")
            os.kill(pid, signal.SIGKILL)
        if shell.poll() is None:
            shell.wait()
        return problems


def processes_with(marker):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    if command:  # else it is a zombie
                        found.append((int(entry.name), command))
            except OSError:
                pass
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--timeout", type=float, default=60, help="seconds per document")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    binaries = (ROOT / arguments.bin).resolve()
    files = [f.resolve() for f in arguments.files] or sorted(
        [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    if not binaries.is_dir():
        sys.exit(f"check_docs: {arguments.bin} is not there: run `make build` first")

    problems, blocks, skipped = [], 0, 0
    linked = arguments.files and files or [ROOT / name for name in project_files("*.md")]
    for path in linked:
        problems += dead_links(path, path.read_text())
    for path in files:
        text = path.read_text()
        name = os.path.relpath(path, ROOT)
        script, run, left_out = script_of(name, text)
        if run:
            problems += follow(name, script, binaries, arguments.timeout)
        blocks += run
        skipped += left_out
    for problem in problems:
        print(problem)
    print(f"docs: {len(files)} documents, {blocks} blocks run, {skipped} marked as not run, "
          f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
