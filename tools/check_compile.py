#!/usr/bin/env python3
"""Runs one of clang's checks over many files, and remembers which passed.

  tools/check_compile.py headers   every header compiles alone
  tools/check_compile.py threads   clang's thread-safety analysis of every source, as errors
  tools/check_compile.py tidy      clang-tidy on the sources, tests excepted, changed since --base

What passed is kept, as empty files named by a digest of the file, of every project file it includes
and of the command, in $XDG_CACHE_HOME/fractos (--cache DIR, --no-cache), so a second run looks only
at what changed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def git(*arguments):
    run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return run.stdout.split("\n")[:-1] if run.returncode == 0 else []


def project_files(*suffixes):
    """Files git tracks or would track."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard")
    return sorted(n for n in set(names) if n.endswith(suffixes) and (ROOT / n).is_file())


class Digests:
    """Digests of files with everything they include from the project."""

    def __init__(self, extra_roots=()):
        self.roots = [ROOT, *extra_roots]
        self.read = {}

    def _load(self, path):
        if path not in self.read:
            text = path.read_bytes()
            includes = []
            for name in INCLUDE.findall(text.decode("utf-8", "replace")):
                found = (r / name for r in [*self.roots, path.parent])
                includes += [f.resolve() for f in found if f.is_file()][:1]
            self.read[path] = (hashlib.sha256(text).hexdigest(), includes)
        return self.read[path]

    def of(self, path, command):
        seen, queue = set(), [path.resolve()]
        while queue:
            path = queue.pop()
            if path not in seen:
                seen.add(path)
                queue += self._load(path)[1]
        lines = [f"{p} {self._load(p)[0]}" for p in sorted(seen)] + command
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Build:
    """The flags that a build directory compiles with; makes the headers that are generated."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        commands = self.directory / "compile_commands.json"
        if not commands.is_file():
            sys.exit(f"check_compile: {directory} is not configured: run `make dev` first")
        self.by_file, common = {}, {}
        for entry in json.loads(commands.read_text()):
            flags = self._flags(shlex.split(entry["command"]))
            self.by_file[os.path.realpath(entry["file"])] = flags
            for flag in flags:
                common[flag] = None
        # A header has no command of its own: it gets every include path there is.
        self.common = [f for f in common if f.startswith(("-I", "-isystem", "-std", "-D"))]
        self._generate()

    @staticmethod
    def _flags(command):
        flags, take_next = [], False
        for word in command:
            if take_next:
                flags.append("-isystem" + word)
                take_next = False
            elif word == "-isystem":
                take_next = True
            elif word.startswith(("-I", "-D", "-std")):
                flags.append(word)
        return flags

    def _generate(self):
        targets = subprocess.run(["ninja", "-C", str(self.directory), "-t", "targets", "all"],
                                 capture_output=True, text=True).stdout
        headers = sorted({line.split(":")[0] for line in targets.splitlines()
                          if re.match(r"\S+\.pb\.h:", line)})
        if headers:
            subprocess.run(["ninja", "-C", str(self.directory), "--quiet", *headers], check=True,
                           stdout=subprocess.DEVNULL)

    def flags_for(self, path):
        return self.by_file.get(os.path.realpath(path), self.common)


def changed_since(base):
    """Sources changed since `base`, and those whose own header changed; the latest first."""
    if base == "all":
        return None
    if base is None:
        ahead = git("rev-list", "origin/main..HEAD")
        base = "origin/main" if ahead else "HEAD~20"
    if not git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"):
        return None  # younger than that: everything is new
    names = git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")
    return {re.sub(r"\.h$", ".cc", n) for n in names if n.endswith((".h", ".cc"))}


def jobs_for(check, build, base):
    """(file, command) pairs."""
    clang = ["clang++", "-fsyntax-only", "-Wno-everything"]
    if check == "headers":
        for name in project_files(".h"):
            yield name, [*clang, "-x", "c++", *build.common, name]
    elif check == "threads":
        for name in project_files(".cc"):
            if not name.startswith("tests/"):
                yield name, [*clang, "-Wthread-safety", "-Werror", *build.flags_for(ROOT / name),
                             name]
    else:
        changed = changed_since(base)
        config = hashlib.sha256((ROOT / ".clang-tidy").read_bytes()).hexdigest()
        for name in project_files(".cc"):
            if not name.startswith("tests/") and (changed is None or name in changed):
                yield name, ["clang-tidy", "--quiet", "--warnings-as-errors=*",
                             f"--header-filter=^{ROOT}/[a-z]+/", name, "--",
                             *build.flags_for(ROOT / name), "-Wno-everything",
                             f"-DTIDY_CONFIG={config[:16]}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=["headers", "threads", "tidy"])
    parser.add_argument("--build", default=str(ROOT / "build/dev"))
    parser.add_argument("--base", help="of tidy: a commit, or `all` (default: origin/main, else "
                        "the last 20 commits)")
    parser.add_argument("--jobs", type=int, default=2)
    default_cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                 os.path.expanduser("~/.cache"), "fractos")
    parser.add_argument("--cache", default=default_cache)
    parser.add_argument("--no-cache", action="store_true")
    arguments = parser.parse_args()

    start = time.monotonic()
    build = Build(arguments.build)
    digests = Digests(extra_roots=[pathlib.Path(f[2:]) for f in build.common if f[:2] == "-I"])
    cache = pathlib.Path(arguments.cache)
    if not arguments.no_cache:
        cache.mkdir(parents=True, exist_ok=True)

    def run(job):
        name, command = job
        mark = cache / f"{arguments.check}-{digests.of(ROOT / name, command)}"
        if not arguments.no_cache and mark.exists():
            return name, None
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0 and not arguments.no_cache:
            mark.touch()
        return name, (done.returncode, done.stdout if arguments.check == "tidy" else done.stderr)

    jobs = list(jobs_for(arguments.check, build, arguments.base))
    looked_at, failed = 0, []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, result in pool.map(run, jobs):
            if result is not None:
                looked_at += 1
            if result is not None and result[0] != 0:
                failed.append(name)
                print(result[1].rstrip() or f"{name}: the check itself failed")
    print(f"{arguments.check}: {len(jobs) - len(failed)} of {len(jobs)} files pass "
          f"({len(jobs) - looked_at} unchanged since they did), {time.monotonic() - start:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
