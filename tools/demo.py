#!/usr/bin/env python3
"""Runs both applications on real data, handed from device to device and, beside that, every result
through the driver, and shows what each gave and cost.

  tools/demo.py [BIN]    BIN: the folder with fractosctl (default build/release/bin)

Works on a copy of examples/ in a temporary folder and leaves nothing behind. Exits 1 if a run fails
or the two ways differ in what they give.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
APPLICATIONS = [
    ("classify", "What does the photograph show? storage reads it, cnn classifies it, storage "
                 "keeps the answer: the graph visits both, and nobody is in the middle."),
    ("power", "A power, computed by a graph that grows while it runs: the step answers with "
              "multiplications in its place, of exact integers of any size."),
]
MODES = ["Distributed", "Centralized"]


def graph_of(application):
    """The first file of the example that holds a TaskGraph."""
    for path in sorted((ROOT / "examples" / application).glob("*.yaml")):
        if "kind: TaskGraph" in path.read_text():
            return path.relative_to(ROOT)
    sys.exit(f"demo: there is no TaskGraph under examples/{application}")


def run(fractosctl, graph, mode, scratch):
    """One run, in the same way a person types it; its report."""
    command = [str(fractosctl), "run", str(graph), "--mode", mode, "-o", "json"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120,
                          env={**os.environ, "FRACTOS_HOME": str(scratch / "home")})
    if done.returncode != 0:
        sys.exit(f"demo: `fractosctl run {graph} --mode {mode}` ended with {done.returncode}\n"
                 f"{done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def text_of(output):
    """What people want to see of an output; of what cnn answers, the class and the labels."""
    try:
        answer = json.loads(output["text"])
        labels = ", ".join(f"{one['label']} {one['probability']:.0%}" for one in answer["labels"])
        return f"{answer['best']} ({labels})"
    except (KeyError, TypeError, ValueError):
        pass
    text = output.get("text", f"{output.get('size', 0)} bytes").strip()
    return textwrap.shorten(" ".join(text.split()), 600, placeholder=" …")


def main():
    fractosctl = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                              else ROOT / "build/release/bin").resolve() / "fractosctl"
    if not fractosctl.is_file():
        sys.exit(f"demo: {fractosctl.parent} has no fractosctl: run `make build` first")
    same = True
    costs = []
    with tempfile.TemporaryDirectory(prefix="fractos-demo-") as folder:
        scratch = pathlib.Path(folder)
        (scratch / "home").mkdir()
        shutil.copytree(ROOT / "examples", scratch / "examples")
        for application, about in APPLICATIONS:
            graph = graph_of(application)
            print(f"\n{application}: fractosctl run {graph}")
            print(textwrap.fill(about, 96, initial_indent="  ", subsequent_indent="  "))
            reports = {mode: run(fractosctl, graph, mode, scratch) for mode in MODES}
            outputs = {mode: [(o["step"], o.get("digest")) for o in report["outputs"]]
                       for mode, report in reports.items()}
            for output in reports[MODES[0]]["outputs"]:
                print(textwrap.fill(f"{output['step']}: {text_of(output)}", 96,
                                    initial_indent="  → ", subsequent_indent="    "))
            if outputs[MODES[0]] != outputs[MODES[1]]:
                print("  the two ways differ in their outputs")
                same = False
            costs += [(application, mode, reports[mode]) for mode in MODES]

    print("\nWhat moved between processes, handed on (Distributed) and through the driver "
          "(Centralized):\n")
    print(f"  {'':10}{'':13}{'steps':>6}{'hops':>6}{'messages':>10}{'bytes':>12}{'took':>10}")
    for application, mode, report in costs:
        transfer = report["transfer"]
        print(f"  {application if mode == MODES[0] else '':10}{mode:13}{len(report['steps']):6}"
              f"{transfer['hops']:6}{transfer['messages']:10}{transfer['bytes']:12,}"
              f"{report['durationMilliseconds']:7.1f} ms")
    print("\n  Each run starts its own devices, so most of classify's time goes into loading the "
          "network.\n")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
