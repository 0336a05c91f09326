#!/usr/bin/env bash
# Pushes what images/build.sh has built, and the chart.
#
#   REGISTRY=registry.example/team images/push.sh
#
# Then, anywhere:
#   helm install fractos oci://$REGISTRY/fractos/charts/fractos --set global.imageRegistry=$REGISTRY
#
#   VERSION     the tag; the project's version
#   PUSH_FLAGS  for the tool that pushes images, such as --tls-verify=false
#   HELM, HELM_PUSH_FLAGS  the helm to use, and flags for it, such as --plain-http
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
      "docker://$REGISTRY/fractos/$image:$version"
  else
    id=$(buildah --storage-driver vfs pull --quiet "oci-archive:$archive")
    # shellcheck disable=SC2086
    buildah --storage-driver vfs push --quiet ${PUSH_FLAGS:-} "$id" \
      "docker://$REGISTRY/fractos/$image:$version"
  fi
  echo "pushed $REGISTRY/fractos/$image:$version"
done

helm=${HELM:-$(command -v helm || tests/cluster/cluster which helm)}
chart=build/images/chart
rm -rf "$chart"
"$helm" package helm/fractos --version "$version" --app-version "$version" --destination "$chart" >/dev/null
# shellcheck disable=SC2086
"$helm" push ${HELM_PUSH_FLAGS:-} "$chart"/fractos-*.tgz "oci://$REGISTRY/fractos/charts"
