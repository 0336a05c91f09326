#!/usr/bin/env bash
# Builds the images into build/images, as OCI archives, and says how large they are.
#
#   images/build.sh [IMAGE...]
#
# IMAGE is one of: fractos-operator fractos-daemon fractos-adaptor fractos-adaptor-cnn
# fractos-adaptor-python; without any, all whose programs have been built.
#
#   IMAGE_TOOL  buildah (the default), podman or docker
#   REGISTRY    goes in front of their names, fractos/fractos-daemon and so on: what the chart calls
#               global.imageRegistry; localhost
#   VERSION     their tag; the project's version
#   BUILD       the release build; build/release
#
# An image that is too large is an error: 60 MB (the one with OpenCV and the model 120 MB, the one
# with Python 100 MB), compressed.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build/release}
tool=${IMAGE_TOOL:-buildah}
version=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)}
registry=${REGISTRY:-localhost}
out=build/images
mkdir -p "$out"

programs_of() {
  case $1 in
    fractos-operator) echo fractos-operator ;;
    fractos-daemon) echo fractos-daemon fractosctl ;;
    fractos-adaptor) echo fractos-adaptor ;;
    fractos-adaptor-cnn) echo fractos-adaptor fractos-adaptor-cnn ;;
    fractos-adaptor-python) ;;
    *) echo "images/build.sh: there is no image $1" >&2; return 1 ;;
  esac
}

most_of() {
  case $1 in
    fractos-adaptor-cnn) echo 120 ;;
    fractos-adaptor-python) echo 100 ;;
    *) echo 60 ;;
  esac
}

# A Debian root with python3, the kit, and the adaptor that shows it.
collect_python() {
  local root=$1
  rm -rf "$root"
  mmdebstrap --mode="$([ "$(id -u)" -eq 0 ] && echo root || echo unshare)" --variant=extract \
    --include=python3-minimal,libpython3-stdlib,python3,base-passwd,ca-certificates --quiet \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root"
  rm -rf "$root"/{var/cache,var/lib/apt,usr/share/perl*,usr/lib/*/perl*} "$root"/dev/*
  printf 'root:x:0:0:root:/root:/sbin/nologin\nfractos:x:65532:65532:fractos:/tmp:/sbin/nologin\n' \
    >"$root/etc/passwd"
  mkdir -p "$root/usr/lib/fractos" "$root/run/fractos"
  cp -R adaptors/python/fractos_adaptor "$root/usr/lib/fractos/"
  cp examples/python-adaptor/caption.py "$root/adaptor.py"
}

make_image() {
  local image=$1 name=$2 context=$3 archive=$4
  rm -f "$archive"
  case $tool in
    buildah)
      # Neither namespaces nor an overlay are needed to copy files.
      buildah --storage-driver vfs bud --quiet --isolation chroot --timestamp 0 --tag "$name" \
        --file "images/$image.Containerfile" "$context" >/dev/null
      buildah --storage-driver vfs push --quiet "$name" "oci-archive:$archive:$name" >/dev/null
      buildah --storage-driver vfs rmi "$name" >/dev/null ;;
    podman)
      podman build --quiet --tag "$name" --file "images/$image.Containerfile" "$context" >/dev/null
      podman save --quiet --format oci-archive --output "$archive" "$name" ;;
    docker)
      docker build --quiet --tag "$name" --file "images/$image.Containerfile" "$context" >/dev/null
      docker save --output "$archive" "$name" ;;
    *) echo "images/build.sh: IMAGE_TOOL is buildah, podman or docker, not $tool" >&2; exit 2 ;;
  esac
}

images=("$@")
if [ ${#images[@]} -eq 0 ]; then
  images=(fractos-daemon fractos-adaptor fractos-adaptor-cnn fractos-adaptor-python)
  [ ! -x "$build/bin/fractos-operator" ] || images=(fractos-operator "${images[@]}")
fi

failed=false
for image in "${images[@]}"; do
  programs=$(programs_of "$image")
  context=$out/$image.root
  if [ "$image" = fractos-adaptor-python ]; then
    collect_python "$context"
  else
    # shellcheck disable=SC2086  # several programs
    images/collect.sh "$context" "$build" $programs
  fi
  make_image "$image" "$registry/fractos/$image:$version" "$context" "$out/$image.tar"
  rm -rf "$context"
  bytes=$(stat -c %s "$out/$image.tar")
  most=$(most_of "$image")
  printf '%-24s %6.1f MB of %d\n' "$image" "$(awk "BEGIN{print $bytes/1e6}")" "$most"
  [ "$bytes" -lt $((most * 1000 * 1000)) ] || failed=true
done
if $failed; then
  echo "images/build.sh: an image is larger than it may be" >&2
  exit 1
fi
