#!/usr/bin/env python3
"""Holds what each folder includes, and what the pure ones call, to the layout of ARCHITECTURE.md.

  tools/check_includes.py [ROOT]

Prints file:line: what is wrong, and exits 1 if anything is.
"""
import os
import pathlib
import re
import subprocess
import sys

# Folder: the folders whose headers its files may include, besides its own. The longest prefix of a
# file's path decides. None: anything.
MAY_INCLUDE = {
    "lib/base": [],
    "lib/plan": ["lib/base"],
    "lib/protocol": ["lib/base", "lib/plan"],
    "lib/runtime": ["lib/base"],
    "lib/memory": ["lib/base", "lib/plan", "lib/runtime"],
    "lib/link": ["lib/base", "lib/plan", "lib/protocol", "lib/runtime"],
    "lib/driver": ["lib/base", "lib/plan", "lib/protocol", "lib/memory", "lib/link", "lib/runtime"],
    "lib/driver/core": ["lib/base", "lib/plan", "lib/protocol"],
    "lib/kube": ["lib/base", "lib/runtime"],
    "lib/metrics": ["lib/base", "lib/kube"],
    "lib/api": ["lib/base", "lib/plan", "lib/protocol", "lib/driver/core", "lib/kube"],
    "daemon": ["lib/base", "lib/plan", "lib/protocol", "lib/memory", "lib/link", "lib/runtime",
               "lib/kube", "lib/metrics", "lib/api"],
    "daemon/continuation": ["lib/base", "lib/plan", "lib/protocol"],
    "operator": ["lib/base", "lib/plan", "lib/protocol", "lib/memory", "lib/link", "lib/runtime",
                 "lib/driver", "lib/kube", "lib/metrics", "lib/api"],
    "adaptors": ["lib/base"],
    "cli": ["lib"],
    "examples": None,
    "bench": None,
    "tests": None,
}
PURE = ["lib/base", "lib/plan", "lib/protocol", "lib/driver/core", "daemon/continuation"]

# Generated protobuf and gRPC types stop here: elsewhere messages are the plain values of
# lib/protocol. lib/runtime waits on gRPC's completion queue, and lib/memory streams bytes by it, but
# neither knows a message.
GENERATED = re.compile(r"\.pb\.h$")
MAY_GENERATED = ["lib/link", "daemon/device", "adaptors/kit", "bench", "tests"]
GRPC = re.compile(r"^(grpc|grpcpp|google/protobuf)/")
MAY_GRPC = [*MAY_GENERATED, "lib/memory", "lib/runtime"]

# Nobody else's headers may pull in cpprestsdk's, which are slow to compile, and throw.
CPPREST = re.compile(r"^(cpprest|pplx)/")
MAY_CPPREST = ["lib/kube/cpprest_transport.h", "lib/kube/cpprest_transport.cc"]

# What a pure folder must not use: its time, chance and threads come in from outside.
IMPURE_HEADERS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch",
    "barrier", "stop_token", "iostream", "fstream", "filesystem", "random",
    "ctime", "time.h", "unistd.h", "fcntl.h", "poll.h", "pthread.h", "netdb.h",
}
IMPURE_PREFIXES = ("sys/", "netinet/", "arpa/", "absl/synchronization/", "absl/time/")
IMPURE_CALLS = re.compile(r"::now\(|\bstd::this_thread\b|\bs?rand\(|\bgetenv\(|\bstd::random_device\b"
                          r"|\babsl::(Now|SleepFor|Mutex)\b")
# lib/base holds the implementations behind Clock and Random, each in one file, the descriptor that
# is closed once, and how many there may be, which adaptors need as well as the daemon.
IMPURE_BY_DESIGN = {"lib/base/clock.h", "lib/base/random.cc", "lib/base/unique_fd.h",
                    "lib/base/descriptor_limit.cc"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
OURS = re.compile(r"^(lib|daemon|adaptors|cli|operator|bench|tests|examples)/")


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def within_any(path, folders):
    return any(within(path, f) for f in folders)


def folder_of(path):
    """The folder of MAY_INCLUDE that decides for `path`; None if there is none."""
    return max((f for f in MAY_INCLUDE if within(path, f)), key=len, default=None)


def code_of(text):
    """`text` with comments blanked, line by line."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.DOTALL)


def check_file(path, text):
    """Yields (line, message) for every breach in the file at `path`, relative to the root."""
    folder = folder_of(path)
    if folder is None:
        yield 1, f"no rule says what {os.path.dirname(path) or path} may include"
        return
    allowed = MAY_INCLUDE[folder]
    pure = within_any(path, PURE) and path not in IMPURE_BY_DESIGN
    for number, line in enumerate(code_of(text).split("\n"), 1):
        include = INCLUDE.match(line)
        if include:
            quote, header = include.groups()
            if GENERATED.search(header):
                if not within_any(path, MAY_GENERATED):
                    yield number, f"generated types ({header}) stop at {', '.join(MAY_GENERATED)}"
            elif GRPC.match(header):
                if not within_any(path, MAY_GRPC):
                    yield number, f"{header}: gRPC stops at {', '.join(MAY_GRPC)}"
            elif CPPREST.match(header):
                if path not in MAY_CPPREST:
                    yield number, f"{header}: cpprestsdk stops at lib/kube/cpprest_transport"
            elif header.endswith(".json.h"):
                pass  # a text that the build embeds (cmake/FractosEmbed.cmake): data, not code
            elif OURS.match(header):
                if allowed is not None and not within_any(header, [folder, *allowed]):
                    names = ", ".join([folder, *allowed])
                    yield number, f"{folder} may include only {names}; not {header}"
            elif quote == '"' and "/" not in header:
                yield number, f'"{header}": includes are written from the root'
            if pure and (header in IMPURE_HEADERS or header.startswith(IMPURE_PREFIXES)):
                yield number, f"{folder} is pure: no <{header}>"
        elif pure:
            call = IMPURE_CALLS.search(line)
            if call:
                yield number, (f"{folder} is pure: no {call.group(0).rstrip('(')}; time and chance "
                               "come in through lib/base/clock.h and random.h")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                        else pathlib.Path(__file__).resolve().parent.parent)
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard", "*.h", "*.cc"],
                            capture_output=True, text=True, check=True).stdout
    files = sorted({name for name in listed.split("\0") if name and (root / name).is_file()})
    breaches = 0
    for name in files:
        for line, message in check_file(name, (root / name).read_text(errors="replace")):
            print(f"{name}:{line}: {message}")
            breaches += 1
    print(f"includes: {len(files)} files, {breaches} breaches")
    sys.exit(1 if breaches or not files else 0)


if __name__ == "__main__":
    main()
