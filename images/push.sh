#!/usr/bin/env bash
# Pushes what images/build.sh has built.
#
#   REGISTRY=registry.example/team images/push.sh
#
#   VERSION     the tag; the project's version
#   PUSH_FLAGS  for the tool, such as --tls-verify=false
set -euo pipefail
cd "$(dirname "$0")/.."

: "${REGISTRY:?say where to: REGISTRY=registry.example/team}"
version=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)}
shopt -s nullglob
archives=(build/images/*.tar)
[ ${#archives[@]} -gt 0 ] || { echo "images/push.sh: nothing is built; make images" >&2; exit 1; }
for archive in "${archives[@]}"; do
  image=$(basename "$archive" .tar)
  if command -v skopeo >/dev/null; then
    # shellcheck disable=SC2086  # several flags
    skopeo copy --quiet ${PUSH_FLAGS:-} "oci-archive:$archive" \
      "docker://$REGISTRY/$image:$version"
  else
    id=$(buildah --storage-driver vfs pull --quiet "oci-archive:$archive")
    # shellcheck disable=SC2086
    buildah --storage-driver vfs push --quiet ${PUSH_FLAGS:-} "$id" \
      "docker://$REGISTRY/$image:$version"
  fi
  echo "pushed $REGISTRY/$image:$version"
done
