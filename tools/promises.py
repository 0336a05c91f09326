#!/usr/bin/env python3
"""Makes docs/promises.md: each promise of tests/promises.md with the tests that name it.

  tools/promises.py           write the table
  tools/promises.py --check   exit 1 if the table is out of date, a promise has no test, or a test
                              names a promise that there is not
"""
import argparse
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMISE = re.compile(r"^- ([A-Z]-\d\d): (.+)$")
MENTION = re.compile(r"promises?: ?([A-Z]-\d\d(?:, ?[A-Z]-\d\d)*)")
TEST = re.compile(r"^\s*(?:TEST(?:_[FP])?\((\w+),\s*(\w+)\)|def (test_\w+)\()")
COMMENT = re.compile(r"^\s*(//|#)")
SUFFIXES = {".cc", ".py", ".sh"}


def read_promises(text):
    """(id, sentence) and headings, in the order of the text; refuses an id that comes twice."""
    lines, seen = [], set()
    for line in text.splitlines():
        promise = PROMISE.match(line)
        if promise:
            if promise[1] in seen:
                raise ValueError(f"promise {promise[1]} is there twice")
            seen.add(promise[1])
            lines.append((promise[1], promise[2]))
        elif line.startswith("## "):
            lines.append((None, line))
        elif line.startswith("- "):
            raise ValueError(f"not a promise: {line}")
    return lines


def test_at(lines, index, file_name):
    """The test that the comment at `index` stands above, or else in; else the file."""
    below = index
    while below < len(lines) and COMMENT.match(lines[below]):
        below += 1
    # A long TEST( may be broken after its suite.
    joined = " ".join(line.strip() for line in lines[below:below + 2])
    candidates = [joined] + [" ".join(line.strip() for line in lines[i:i + 2])
                             for i in range(index, -1, -1)]
    for candidate in candidates:
        test = TEST.match(candidate)
        if test:
            return f"{test[1]}.{test[2]}" if test[1] else test[3]
    return file_name


def read_mentions(folder):
    """id -> [(file, test)] over all tests under `folder`."""
    mentions = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        lines = path.read_text(errors="replace").splitlines()
        for index, line in enumerate(lines):
            for match in MENTION.finditer(line) if COMMENT.match(line) else ():
                for promise in re.split(r", ?", match[1]):
                    place = (path.relative_to(ROOT).as_posix(), test_at(lines, index, path.name))
                    if place not in mentions.setdefault(promise, []):
                        mentions[promise].append(place)
    return mentions


def render(promises, mentions):
    count = sum(1 for name, _ in promises if name)
    kept = sum(1 for name, _ in promises if name and name in mentions)
    out = ["# Promises and their tests", "",
           "Made by `tools/promises.py` from `tests/promises.md` and the tests that name each id; "
           "CI fails when it is out of date.", "",
           f"{kept} of {count} promises have a test."]
    for name, text in promises:
        if name is None:
            out += ["", text, "", "| id | promise | tests |", "|---|---|---|"]
            continue
        tests = "<br>".join(f"[{test}]({os.path.relpath(ROOT / file, ROOT / 'docs')})"
                            for file, test in mentions.get(name, [])) or "**none**"
        out.append(f"| {name} | {text.replace('|', chr(92) + '|')} | {tests} |")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    promises = read_promises((ROOT / "tests/promises.md").read_text())
    known = {name for name, _ in promises if name}
    mentions = read_mentions(ROOT / "tests")
    wrong = []
    for name in sorted(set(mentions) - known):
        for file, test in mentions[name]:
            wrong.append(f"{file}: {test} names {name}, which tests/promises.md does not")
    wrong += [f"{name}: no test names it: {text}" for name, text in promises
              if name and name not in mentions]

    table = ROOT / "docs/promises.md"
    text = render(promises, mentions)
    if arguments.check:
        if not table.is_file() or table.read_text() != text:
            wrong.append("docs/promises.md is out of date: run tools/promises.py")
    else:
        table.parent.mkdir(exist_ok=True)
        table.write_text(text)
    for line in wrong:
        print(line)
    print(f"promises: {len(known & set(mentions))} of {len(known)} have a test")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
