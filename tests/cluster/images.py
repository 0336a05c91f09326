"""The images that the cluster brings along, and getting images onto the nodes.

There is no registry: an image is an OCI archive that each node's containerd imports. pause is what
every pod starts with; toolbox is a shell and curl, for tests to run in a pod.
"""
import concurrent.futures
import fcntl
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile

import layout
from errors import ClusterError

PAUSE = "localhost/fractos-cluster/pause:1"
TOOLBOX = "localhost/fractos-cluster/toolbox:1"
BUSYBOX = pathlib.Path("/bin/busybox")
CURL = pathlib.Path("/usr/bin/curl")


def pause_program():
    """The pause program, compiled if it is not there. It also holds the nodes' namespaces."""
    source = layout.HERE / "pause" / "pause.c"
    program = layout.IMAGES / f"pause-{_digest(source)}"
    if not program.exists():
        def compile_to(file):
            _run(["gcc", "-O2", "-Wall", "-Werror", "-static", "-s", "-o", file, source],
                 "pause.c does not compile")
        _make(program, compile_to)
    return program


def pause_archive():
    """The pause image."""
    return _archive(PAUSE, {"pause": pause_program()}, layout.HERE / "pause" / "Containerfile")


def toolbox_archive():
    """The toolbox image. curl is in it because Debian's static busybox crashes on names."""
    files = {f"bin/{name}": BUSYBOX for name in ("busybox", "sh")}
    for file in (CURL, *_libraries(CURL)):
        files[str(file)[1:]] = file
    return _archive(TOOLBOX, files, layout.HERE / "toolbox" / "Containerfile")


def load(archives, sandboxes):
    """Imports archives into the containerd of every node, all nodes at once."""
    for archive in archives:
        if not pathlib.Path(archive).is_file():
            raise ClusterError(f"there is no image archive {archive}: make the images first, or "
                               "name the archives with IMAGES=")

    def load_on(sandbox):
        for archive in archives:
            # Handed in on standard input: the sandbox's /run and /var are not this machine's.
            with open(archive, "rb") as file:
                ended = subprocess.run(
                    sandbox.inside(["ctr", "-n", "k8s.io", "images", "import", "-"]), stdin=file,
                    capture_output=True, text=True, env=layout.ENVIRONMENT)
            if ended.returncode != 0:
                raise ClusterError(f"{sandbox.name} cannot import {archive}: "
                                   f"{(ended.stderr or ended.stdout).strip()[-500:]}")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(load_on, sandboxes))


def _archive(name, files, containerfile):
    archive = layout.IMAGES / f"{pathlib.Path(name).name.replace(':', '-')}-" \
                              f"{_digest(containerfile, *files.values())}.tar"
    if not archive.exists():
        _make(archive, lambda file: _build(name, files, containerfile, file))
    return archive


def _build(name, files, containerfile, archive):
    """Builds with storage of its own, so that no image is left in this machine's."""
    with tempfile.TemporaryDirectory(dir=layout.IMAGES, prefix=".building-") as folder:
        context = pathlib.Path(folder) / "context"
        context.mkdir()
        for target, source in files.items():
            (context / target).parent.mkdir(parents=True, exist_ok=True)
            (context / target).write_bytes(source.read_bytes())
            (context / target).chmod(0o755)
        buildah = ["buildah", "--storage-driver", "vfs", "--root", f"{folder}/root",
                   "--runroot", f"{folder}/run"]
        _run([*buildah, "bud", "--isolation", "chroot", "--quiet", "--tag", name,
              "--file", containerfile, context], f"image {name} does not build")
        _run([*buildah, "push", "--quiet", name, f"oci-archive:{archive}:{name}"],
             f"image {name} cannot be written")


def _make(target, write):
    """Makes a file whole or not at all, and once: another command may be making the same one."""
    layout.IMAGES.mkdir(parents=True, exist_ok=True)
    with open(layout.IMAGES / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        temporary = target.with_name(f".{target.name}")
        write(temporary)
        os.replace(temporary, target)


def _libraries(program):
    """The shared libraries that a program loads, and what loads them."""
    return map(pathlib.Path, sorted(re.findall(
        r"(/\S+) \(0x", _run(["ldd", program], f"the libraries of {program} cannot be found"))))


def _run(command, what):
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ended.returncode != 0:
        raise ClusterError(f"{what}:\n{(ended.stderr or ended.stdout).strip()[-2000:]}")
    return ended.stdout


def _digest(*files):
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(pathlib.Path(file).read_bytes())
        except OSError as error:
            raise ClusterError(f"{file} cannot be read ({error.strerror}): "
                               "tools/deps.sh cluster") from error
    return digest.hexdigest()[:12]
