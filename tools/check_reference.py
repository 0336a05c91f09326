#!/usr/bin/env python3
"""Holds the pages that list things to the things.

  tools/check_reference.py [--bin build/dev/bin]

* docs/taskgraph.md has every field of the two CRDs' status, no other, and every reason that the
  operator gives a condition.
* docs/operator.md and docs/daemon.md have every event of their programs' logs, and the former every
  event that the operator tells Kubernetes of.
* Every environment variable that a program reads is in docs/, those of fractosctl on its page.
* The flags that helm/fractos/values.yaml says the chart sets are those that its templates set.
* Every image that is built is named in docs/, and docs/README.md leads to every page.
* The table of folders in ARCHITECTURE.md has each once, and every one there is.
* With --bin: docs/operator.md and docs/daemon.md have every flag of their programs, and no other;
  docs/fractosctl.md every one of fractosctl.
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CODE = re.compile(r"(?<!`)`([^`\n]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# In the code: what stands where a condition has its reason, or becomes one. Not a condition's type.
REASON = re.compile(
    r'(?:"(?:True|False|Unknown)",\s*|\brefusal = \{|\byes\(\s*|\breturn \{|\?\s*|:\s*)'
    r'"(?!(?:True|False|Unknown)")([A-Z]\w+)"(?!,\s*"(?:True|False|Unknown)")')
LOGGED = re.compile(r'Level::k\w+,\s*(?:[^",;]*\? )?"([^"]+)"(?: : "([^"]+)")?')
TOLD = re.compile(r'EventType::k\w+,\s*"([A-Z]\w+)"')
VARIABLE = re.compile(r'"((?:FRACTOS|OTEL|XDG|POD|NO)_[A-Z_]+|KUBECONFIG|KUBECTL|TRACEPARENT)"')
# Of which a page says what they are and no more: a list of conditions is the same everywhere, and
# what an operation is stands in docs/adaptors.md.
LEAVES = ("conditions", "operations")


def section(text, heading):
    """What stands under `heading`, up to the next one that is not below it."""
    depth = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(depth)}}} |\Z)", text,
                      re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def first_cells(text):
    """Everything in backticks in the first column of tables."""
    return [name for row in re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
            for name in CODE.findall(row)]


def fields(schema, path=""):
    """The paths of a schema's fields that have none below them."""
    for name, below in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        items = below.get("items", below)
        if "properties" not in items or where in LEAVES:
            yield where
        else:
            yield from fields(items, where + ("[]" if items is not below else ""))


def status_faults(page, kind, schema):
    heading = f"## {kind}: `status`"
    text = section(page, heading).split("| condition |")[0]
    said, there = set(first_cells(text)), set(fields(schema))
    for name in sorted(there - said):
        yield f"docs/taskgraph.md: {heading} lacks {name}"
    for name in sorted(said - there):
        yield f"docs/taskgraph.md: {heading} has {name}, which the CRD has not"


def missing(page, where, names, what):
    said = set(CODE.findall(page))
    for name in sorted(set(names) - said):
        yield f"{where}: lacks the {what} {name}"


def flag_faults(page, where, help_text):
    """Whether a page's section Flags has the flags that a program has."""
    said = {flag for cell in first_cells(section(page, "## Flags")) for flag in FLAG.findall(cell)}
    there = {flag for names in options(help_text) for flag in FLAG.findall(" ".join(names))}
    for flag in sorted(there - said):
        yield f"{where}: lacks the flag {flag}"
    for flag in sorted(said - there):
        yield f"{where}: has the flag {flag}, which the program has not"


def options(help_text):
    """The names of each option that `--help` lists, but for those that every program has."""
    lines = re.findall(r"^  (-\S+)", help_text, re.MULTILINE)
    names = [re.findall(r"--?[a-z][a-z-]*", line, re.IGNORECASE) for line in lines]
    return [each for each in names if not {"--help", "--version"} & set(each)]


def folder_faults(architecture, folders):
    """`folders`: the top ones, each of which has a row, or rows for what is in it."""
    rows = re.findall(r"^\| (`.*?) \|", section(architecture, "## Every folder in a line"),
                      re.MULTILINE)
    named = collections.Counter(name for row in rows for name in CODE.findall(row))
    for name, times in named.items():
        if times > 1:
            yield f"ARCHITECTURE.md: {name} has {times} rows"
    for folder in folders:
        if not any(name.split("/")[0] == folder for name in named):
            yield f"ARCHITECTURE.md: the folder {folder} has no row"


def read(*folders, but=()):
    """The text of all sources of these folders."""
    return "\n".join(path.read_text() for folder in folders
                     for path in sorted((ROOT / folder).rglob("*"))
                     if path.suffix in (".cc", ".h", ".py") and path.name not in but)


def check_status():
    page = (DOCS / "taskgraph.md").read_text()
    for kind in ("TaskGraph", "DeviceCluster"):
        crd = yaml.safe_load((ROOT / "crds" / f"fractos.dev_{kind.lower()}s.yaml").read_text())
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        yield from status_faults(page, kind, schema["properties"]["status"])
    sources = [path for folder in ("operator", "lib") for path in (ROOT / folder).rglob("*.cc")
               if re.match(r"task_graph_(?!yaml|json)|device_cluster_(status|reconciler)", path.name)]
    reasons = {reason for path in sources for reason in REASON.findall(path.read_text())}
    yield from missing(page, "docs/taskgraph.md", reasons, "reason")


def check_events():
    for page, folders in (("operator.md", ["operator"]), ("daemon.md", ["daemon"])):
        logged = {event for pair in LOGGED.findall(read(*folders)) for event in pair if event}
        yield from missing(section((DOCS / page).read_text(), "## Logs"), f"docs/{page}: Logs",
                           logged, "event")
    told = TOLD.findall(read("operator"))
    yield from missing(section((DOCS / "operator.md").read_text(), "## Events"),
                       "docs/operator.md: Events", told, "event")


def check_variables():
    pages = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    every = VARIABLE.findall(read("cli", "lib", "daemon", "operator", "adaptors"))
    yield from missing(pages, "docs", every, "environment variable")
    own = section((DOCS / "fractosctl.md").read_text(), "## Environment")
    yield from missing(own, "docs/fractosctl.md: Environment",
                       VARIABLE.findall(read("cli", but=("data_centre.cc",))),
                       "environment variable")


def check_chart():
    chart = ROOT / "helm" / "fractos"
    comment = "\n".join(re.findall(r"^#   (--\S.*)$", (chart / "values.yaml").read_text(),
                                   re.MULTILINE))
    said = {flag for line in comment.splitlines()
            for flag in FLAG.findall(re.split(r"\s{2,}", line)[0])}
    templates = [*chart.glob("templates/operator/*.yaml"), *chart.glob("templates/tests/*.yaml")]
    there = {flag for path in templates
             for flag in re.findall(r"^ +- (--[a-z-]+)", path.read_text(), re.MULTILINE)}
    for flag in sorted(there ^ said):
        yield f"helm/fractos/values.yaml: {flag} is either said or set, not both"


def check_pages():
    everything = "\n".join(path.read_text() for path in [ROOT / "README.md", *DOCS.glob("*.md")])
    for path in sorted((ROOT / "images").glob("*.Containerfile")):
        if f"`{path.stem}`" not in everything:
            yield f"docs: no page names the image {path.stem}"
    index = (DOCS / "README.md").read_text()
    for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("results/*.md")]):
        name = path.relative_to(DOCS).as_posix()
        if name != "README.md" and f"]({name})" not in index:
            yield f"docs/README.md: does not lead to {name}"


def check_folders():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True,
                            check=True).stdout.split("\n")
    folders = sorted({name.split("/")[0] for name in listed if "/" in name})
    yield from folder_faults((ROOT / "ARCHITECTURE.md").read_text(), folders)


def check_flags(binaries):
    def help_of(*command):
        return subprocess.run([binaries / command[0], *command[1:], "--help"], capture_output=True,
                              text=True, check=True).stdout

    for name in ("operator", "daemon"):
        yield from flag_faults((DOCS / f"{name}.md").read_text(), f"docs/{name}.md",
                               help_of(f"fractos-{name}"))
    commands = re.findall(r"^  ([a-z]+) ", help_of("fractosctl").split("Subcommands:")[-1],
                          re.MULTILINE)
    page = (DOCS / "fractosctl.md").read_text()
    for names in sorted({tuple(names) for command in commands
                         for names in options(help_of("fractosctl", command))}):
        if not any(re.search(rf"(?<![\w-]){name}(?![\w-])", page) for name in names):
            yield f"docs/fractosctl.md: lacks the option {', '.join(names)}"
    for command in sorted(commands):
        if f"`{command}" not in page and f"fractosctl {command}" not in page:
            yield f"docs/fractosctl.md: lacks the command {command}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, help="also asks these programs for their flags")
    binaries = parser.parse_args().bin
    checks = [check_status, check_events, check_variables, check_chart, check_pages, check_folders]
    faults = [fault for check in checks for fault in check()]
    if binaries:
        faults += check_flags(binaries.resolve())
    for fault in faults:
        print(fault)
    print(f"reference: {len(faults)} problems")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
