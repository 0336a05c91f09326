#!/usr/bin/env python3
"""Makes the archive of the kubectl plugin, and its Krew manifest.

  tools/krew.py --bin build/release/bin/kubectl-fractos --version 0.1.0 --output build/krew

Writes fractos_vVERSION_linux_amd64.tar.gz and fractos.yaml into OUTPUT. The archive holds the
program, the shared libraries that it loads (in kubectl-fractos-libs, beside the program, where it
looks first), LICENSE, and the licences of those libraries. Left out is the C library itself, which
must be the machine's own: glibc at least as new as where this was built. The same inputs give the
same bytes.
"""
import argparse
import gzip
import hashlib
import io
import pathlib
import re
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARIES = "kubectl-fractos-libs"
# They belong to the loader that is in the machine.
OF_GLIBC = re.compile(
    r"^(ld-linux.*|linux-vdso|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl)\.so")


def shared_libraries(program):
    """{name: path} of what the loader gives `program`, glibc's left out."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True)
    found = {}
    for line in listed.stdout.splitlines():
        missing = re.match(r"\s*(\S+) => not found", line)
        if missing:
            raise ValueError(f"{program} needs {missing[1]}, which is not there")
        match = re.match(r"\s*(\S+) => (/\S+) \(", line)
        if match and not OF_GLIBC.match(match[1]):
            found[match[1]] = pathlib.Path(match[2]).resolve()
    return found


def check_search_path(program):
    """Refuses a program that has its loader look in the current folder, or where this was built."""
    listed = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True,
                            check=True)
    for path in re.findall(r"Library r(?:un)?path: \[(.*)\]", listed.stdout):
        for part in path.split(":"):
            if not part.startswith("$ORIGIN"):
                raise ValueError(f"{program} looks for libraries in '{part}'")


def copyright_of(library):
    """(package, its copyright file) of the Debian package that has `library`; None: no such."""
    owned = subprocess.run(["dpkg", "-S", f"*/{library.name}"], capture_output=True, text=True)
    for line in owned.stdout.splitlines():
        package = line.split(":")[0]
        text = pathlib.Path("/usr/share/doc") / package / "copyright"
        if text.is_file():
            return package, text
    return None


def add(archive, name, data, mode):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mode = mode
    archive.addfile(entry, io.BytesIO(data))


def write_archive(path, program, license_file):
    check_search_path(program)
    members = {"kubectl-fractos": (program.read_bytes(), 0o755),
               "LICENSE": (license_file.read_bytes(), 0o644)}
    for name, library in shared_libraries(program).items():
        members[f"{LIBRARIES}/{name}"] = (library.read_bytes(), 0o644)
        found = copyright_of(library)
        if found is None:
            print(f"note: no licence found of {library}", file=sys.stderr)
        else:
            members[f"licenses/{found[0]}"] = (found[1].read_bytes(), 0o644)
    with open(path, "wb") as out, gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed, \
            tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (data, mode) in sorted(members.items()):
            add(archive, name, data, mode)


def fill(template, values):
    text = template
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    left = re.search(r"@[A-Z0-9]+@", text)
    if left:
        raise ValueError(f"nothing to put in for {left[0]}")
    return "".join(line for line in text.splitlines(True) if not line.startswith("#"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--uri", default="https://fractos.dev/releases/v{version}/{archive}",
                        help="where the archive will be; {version} and {archive} are put in")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    archive = options.output / f"fractos_v{options.version}_linux_amd64.tar.gz"
    write_archive(archive, options.bin, ROOT / "LICENSE")
    manifest = fill((ROOT / "krew/fractos.yaml").read_text(), {
        "VERSION": options.version,
        "URI": options.uri.format(version=options.version, archive=archive.name),
        "SHA256": hashlib.sha256(archive.read_bytes()).hexdigest()})
    (options.output / "fractos.yaml").write_text(manifest)
    print(f"{archive} ({archive.stat().st_size >> 20} MiB) and {options.output / 'fractos.yaml'}")


if __name__ == "__main__":
    main()
