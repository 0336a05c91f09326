#!/usr/bin/env python3
"""Mutation testing of the pure core: are its tests able to fail?

  tools/mutate.py [--count 100] [--seed 1] [--jobs 2] [--retry-survivors]

Changes one thing at a time in the pure folders but lib/base (a comparison, a constant, a statement
left out), builds the tests concerned and runs them. A mutation is caught when a test
fails or hangs, and survives when all pass; one that does not compile is replaced by another.
Which mutations are made follows from the seed and the code alone.

Works on copies under build/mutate; the checkout is not touched but for the report,
docs/results/mutations.md. Results are kept by a digest of code and tests, so a run that was stopped
goes on where it was; --retry-survivors also believes what an earlier state of the tests caught in
the same sources, so that after adding a test only the survivors run again.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import queue
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRATCH = ROOT / "build/mutate"
REPORT = ROOT / "docs/results/mutations.md"

# Folder under test: its tests (names of ctest, as regular expressions), the quickest to fail first.
TESTS = {
    "daemon/continuation": [r"unit_daemon_continuation", r"sim\w*"],
    "lib/driver/core": [r"unit_lib_driver_core", r"sim\w*"],
    "lib/plan": [r"unit_lib_plan", r"unit_cli", r"sim\w*"],
    "lib/protocol": [r"unit_lib_protocol", r"unit_daemon_continuation", r"unit_lib_driver_core",
                     r"sim\w*"],
}
# What a result depends on.
INPUTS = ["CMakePresets.json", "cmake", "lib", "daemon/continuation", "tests/unit/lib/plan",
          "tests/unit/lib/protocol", "tests/unit/lib/driver/core", "tests/unit/daemon/continuation",
          "tests/unit/cli", "tests/sim"]


@dataclasses.dataclass(frozen=True)
class Mutation:
    file: str
    line: int  # from 1
    operator: str
    before: str
    after: str


def mask(text):
    """`text` with the insides of comments and literals blanked: same length, same lines."""
    def blank(match):
        found = match.group(0)
        if found[0] == "/":
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]
    token = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    return re.sub(token, blank, text, flags=re.DOTALL)


def closing(code, opening):
    """Index of the parenthesis that closes the one at `opening`, on the same line; None."""
    depth = 0
    for index in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[index], 0)
        if depth == 0:
            return index
    return None


SWAPS = [
    ("comparison", r" == ", " != "), ("comparison", r" != ", " == "),
    ("comparison", r" < ", " <= "), ("comparison", r" <= ", " < "),
    ("comparison", r" > ", " >= "), ("comparison", r" >= ", " > "),
    ("connective", r" && ", " || "), ("connective", r" \|\| ", " && "),
    ("boolean", r"\btrue\b", "false"), ("boolean", r"\bfalse\b", "true"),
    ("arithmetic", r" \+ ", " - "), ("arithmetic", r" - ", " + "),
    ("arithmetic", r" \+= ", " -= "), ("arithmetic", r" -= ", " += "),
]
LITERAL = re.compile(r"(?<![\w.])\d+(?![\w.'])")
STATEMENT = re.compile(r"^\s+(?:break|continue|(?!return\b|throw\b|using\b|delete\b|goto\b|case\b)"
                       r"(?:\+\+|--|\*|\()?[A-Za-z_][\w:]*(?:\.|->|\(|\[| [-+|&]?= |\+\+|--).*);$")
SKIPPED = re.compile(r"^\s*(#|static_assert|template|namespace|using|typedef|friend)")


def mutations_of(file, text):
    """Every mutation of one file, in order."""
    lines, codes = text.split("\n"), mask(text).split("\n")
    after_complete = True  # a statement may start on this line
    for number, (line, code) in enumerate(zip(lines, codes), 1):
        stripped = code.rstrip()
        if not stripped or SKIPPED.match(code):
            continue

        def change(operator, start, end, new):
            return Mutation(file, number, operator, line, line[:start] + new + line[end:])

        for operator, pattern, new in SWAPS:
            for found in re.finditer(pattern, code):
                yield change(operator, *found.span(), new)
        for found in LITERAL.finditer(code):
            yield change("constant", *found.span(), str(int(found[0]) + 1))
        for found in re.finditer(r"\b(?:if|while) \(", code):
            end = closing(code, found.end() - 1)
            if end is not None and ";" not in code[found.end():end]:
                condition = line[found.end():end]
                yield change("condition", found.end(), end, f"!({condition})")
        returned = re.match(r"^\s*(?:.*\) )?return (.+);$", stripped)
        if returned and returned[1] not in ("{}", "true", "false"):
            yield change("return value", *returned.span(1), "{}")
        if after_complete and STATEMENT.match(stripped):
            indent = len(code) - len(code.lstrip())
            yield change("statement", indent, len(stripped), ";")
            yield change("early return", indent, indent, "return; ")
        after_complete = stripped[-1] in ";{}:"


def sources():
    for folder in TESTS:
        yield from sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / folder).glob("*.cc"))


def digest_of(paths):
    total = hashlib.sha256()
    for path in sorted(p for name in paths for p in
                       ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))):
        if path.is_file():
            total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


class Worker:
    """A copy of the tree with a build directory of its own."""

    def __init__(self, index):
        self.tree = SCRATCH / f"tree{index}"
        self.build = SCRATCH / f"build{index}"
        self.environment = {**os.environ, "CCACHE_BASEDIR": str(self.tree), "CCACHE_NOHASHDIR": "1"}

    def sync(self):
        """Makes the copy equal to the checkout; leaves alone what is equal, so little is rebuilt."""
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], capture_output=True, text=True, check=True)
        wanted = {n for n in listed.stdout.split("\0") if n and (ROOT / n).is_file()}
        for name in wanted:
            copy = self.tree / name
            if not copy.is_file() or copy.read_bytes() != (ROOT / name).read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, copy)
                shutil.copymode(ROOT / name, copy)
        for copy in [p for p in self.tree.rglob("*") if p.is_file()]:
            if copy.relative_to(self.tree).as_posix() not in wanted:
                copy.unlink()

    def configure(self):
        self._run(["cmake", "--preset", "dev", "-B", str(self.build)], check=True)

    def tests(self):
        """The names of all tests."""
        shown = self._run(["ctest", "--test-dir", str(self.build), "--show-only=json-v1"],
                          check=True)
        return [t["name"] for t in json.loads(shown.stdout)["tests"]]

    def compile(self, targets, jobs=1):
        done = self._run(["ninja", "-C", str(self.build), f"-j{jobs}", "--quiet", *targets])
        return done.returncode == 0, done.stdout + done.stderr

    def run_test(self, name, timeout):
        """(passed, seconds); hanging is failing."""
        start = time.monotonic()
        binary = self.build / "tests" / name
        try:
            done = self._run([str(binary), "--gtest_fail_fast", "--gtest_brief=1"],
                             timeout=timeout)
            passed = done.returncode == 0
        except subprocess.TimeoutExpired:
            passed = False
        return passed, time.monotonic() - start

    def apply(self, mutation):
        path = self.tree / mutation.file
        lines = path.read_text().split("\n")
        assert lines[mutation.line - 1] == mutation.before
        lines[mutation.line - 1] = mutation.after
        path.write_text("\n".join(lines))

    def restore(self, mutation):
        shutil.copyfile(ROOT / mutation.file, self.tree / mutation.file)

    def _run(self, command, **options):
        return subprocess.run(command, cwd=self.tree, env=self.environment, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, **options)


class Results:
    """Verdicts on disk, by digest."""

    def __init__(self, retry_survivors):
        self.folder = SCRATCH / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.code = digest_of(INPUTS)
        self.source = {f: digest_of([f]) for f in sources()}
        self.retry_survivors = retry_survivors

    def _paths(self, mutation):
        what = json.dumps(dataclasses.astuple(mutation))
        return [self.folder / hashlib.sha256(f"{scope} {what}".encode()).hexdigest()
                for scope in (self.code, self.source[mutation.file])]

    def get(self, mutation):
        exact, same_source = self._paths(mutation)
        if exact.is_file():
            return exact.read_text()
        if self.retry_survivors and same_source.is_file():
            verdict = same_source.read_text()
            return None if verdict == "survived" else verdict
        return None

    def put(self, mutation, verdict):
        for path in self._paths(mutation):
            path.write_text(verdict)


def tests_for(file, names):
    folder = next(f for f in TESTS if file.startswith(f + "/"))
    return [n for pattern in TESTS[folder] for n in sorted(names) if re.fullmatch(pattern, n)]


def judge(worker, mutation, tests, baseline):
    worker.apply(mutation)
    try:
        for test in tests:
            compiled, _ = worker.compile([test])
            if not compiled:
                return "does not compile"
            passed, _ = worker.run_test(test, timeout=10 + 5 * baseline[test])
            if not passed:
                return f"caught by {test}"
        return "survived"
    finally:
        worker.restore(mutation)


def report(arguments, verdicts, discarded, code):
    caught = [m for m, v in verdicts.items() if v != "survived"]
    survivors = [m for m, v in verdicts.items() if v == "survived"]
    by_operator = collections.Counter(m.operator for m in verdicts)
    caught_by_operator = collections.Counter(m.operator for m in caught)
    out = ["# Mutations of the pure core", "",
           f"Made by `tools/mutate.py --seed {arguments.seed} --count {arguments.count}` over "
           f"{', '.join(f'`{f}`' for f in TESTS)}, code and tests `{code[:12]}`.", "",
           f"**{len(caught)} of {len(verdicts)} caught**; {discarded} more did not compile and "
           "were replaced by others.", "", "| operator | caught | made |", "|---|---|---|"]
    out += [f"| {o} | {caught_by_operator[o]} | {n} |" for o, n in sorted(by_operator.items())]
    out += ["", "## Survivors", ""]
    for mutation in sorted(survivors, key=lambda m: (m.file, m.line)):
        out += [f"`{mutation.file}:{mutation.line}` ({mutation.operator})", "", "```diff",
                f"-{mutation.before}", f"+{mutation.after}", "```", ""]
    if not survivors:
        out.append("None.")
    return "\n".join(out).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="mutations tried at the same time")
    parser.add_argument("--retry-survivors", action="store_true")
    parser.add_argument("--list", action="store_true", help="only show which would be made")
    parser.add_argument("--least", type=int, default=90, help="percent that must be caught")
    arguments = parser.parse_args()

    candidates = [m for f in sources() for m in mutations_of(f, (ROOT / f).read_text())]
    random.Random(arguments.seed).shuffle(candidates)
    if arguments.list:
        for mutation in candidates[:arguments.count]:
            print(f"{mutation.file}:{mutation.line}: {mutation.operator}")
            print(f"  - {mutation.before.strip()}\n  + {mutation.after.strip()}")
        print(f"{len(candidates)} mutations are possible")
        return

    workers = [Worker(i) for i in range(arguments.jobs)]
    results = Results(arguments.retry_survivors)
    baseline = {}
    names = []
    for worker in workers:
        worker.sync()
        worker.configure()
        names = worker.tests()
        wanted = sorted({t for f in sources() for t in tests_for(f, names)})
        if not wanted:
            sys.exit("mutate: there are no tests to run")
        compiled, output = worker.compile(wanted, jobs=arguments.jobs)
        if not compiled:
            sys.exit(f"mutate: the unchanged tree does not build:\n{output[-4000:]}")
        for test in wanted:
            if test not in baseline:
                passed, baseline[test] = worker.run_test(test, timeout=600)
                if not passed:
                    sys.exit(f"mutate: {test} fails on the unchanged tree")
    print("unchanged: " + ", ".join(f"{t} {s:.1f} s" for t, s in baseline.items()), flush=True)

    # Verdicts are taken in the order of the candidates, whatever order they come in: the same seed
    # reports the same mutations.
    free = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def verdict_of(mutation):
        verdict = results.get(mutation)
        if verdict is None:
            worker = free.get()
            try:
                verdict = judge(worker, mutation, tests_for(mutation.file, names), baseline)
            finally:
                free.put(worker)
            results.put(mutation, verdict)
        return verdict

    verdicts, discarded, pending = {}, 0, collections.deque()
    rest = iter(candidates)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        while len(verdicts) < arguments.count:
            # Never more under way than may still be needed, a few over for those discarded.
            while len(pending) < min(2 * arguments.jobs, arguments.count - len(verdicts) + 1):
                mutation = next(rest, None)
                if mutation is None:
                    break
                pending.append((mutation, pool.submit(verdict_of, mutation)))
            if not pending:
                break
            mutation, future = pending.popleft()
            verdict = future.result()
            if verdict == "does not compile":
                discarded += 1
                continue
            verdicts[mutation] = verdict
            print(f"{len(verdicts):3} {mutation.file}:{mutation.line} {mutation.operator}: "
                  f"{verdict}", flush=True)
        for _, future in pending:
            future.cancel()

    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(report(arguments, verdicts, discarded, results.code))
    caught = sum(v != "survived" for v in verdicts.values())
    print(f"mutate: {caught} of {len(verdicts)} caught; {REPORT.relative_to(ROOT)} lists the rest")
    sys.exit(0 if caught * 100 >= arguments.least * len(verdicts) else 1)


if __name__ == "__main__":
    main()
