#!/usr/bin/env python3
"""Puts the table of the shipped adaptors' operations into docs/adaptors.md; --check only compares."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/adaptors.md"
BEGIN, END = "<!-- operations:", "<!-- end of operations -->"


def row(device, operation):
    arguments = ", ".join(f"`{a['name']}`" + ("\\*" if a.get("required") else "")
                          for a in operation.get("arguments", []))
    inputs = []
    for i in operation.get("inputs", []):
        name = f"`{i['name']}`" + ("…" if i.get("variadic") else "") + ("\\*" if i.get("required") else "")
        inputs.append(f"({name})" if i.get("passed") else name)
    how = "deterministic" if operation["deterministic"] else "not deterministic"
    if operation["effect"] != "none":
        how += ", " + operation["effect"]
    return (f"| `{device}.{operation['name']}` | {arguments} | {', '.join(inputs)} | {how} | "
            f"{operation['description']} |")


def table():
    lines = ["| operation | arguments | inputs | | what it answers |", "|---|---|---|---|---|"]
    for device in ("storage", "math", "cnn", "echo"):
        description = json.loads((ROOT / f"adaptors/{device}/operations.json").read_text())
        lines += [row(device, operation) for operation in description["operations"]]
    return "\n".join(lines)


def main():
    text = DOCUMENT.read_text()
    begin = text.index("\n", text.index(BEGIN)) + 1
    new = text[:begin] + "\n" + table() + "\n\n" + text[text.index(END):]
    if sys.argv[1:] == ["--check"]:
        if new != text:
            sys.exit("docs/adaptors.md does not show the operations as they are: run docs/operations.py")
    else:
        DOCUMENT.write_text(new)


if __name__ == "__main__":
    main()
