#!/usr/bin/env bash
# Pushes the chart, and what images/build.sh has built.
#
#   REGISTRY=registry.example/team images/push.sh
#
# Then, anywhere:
#   helm install fractos oci://$REGISTRY/fractos/charts/fractos --set global.imageRegistry=$REGISTRY
#
# Two tools push, and each has a login and flags of its own:
#   helm               helm registry login; HELM_PUSH_FLAGS, such as --plain-http
#   skopeo or buildah  buildah login;       PUSH_FLAGS, such as --tls-verify=false
#
#   VERSION  the tag; the project's version
#   HELM     the helm to use
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "images/push.sh: $*" >&2
  exit 1
}

[ -n "${REGISTRY:-}" ] || fail "which registry? As in: make push REGISTRY=registry.example/team"
host=${REGISTRY%%/*}
version=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)}
shopt -s nullglob
archives=(build/images/*.tar)
[ ${#archives[@]} -gt 0 ] || fail "nothing is built: make images"
helm=${HELM:-$(command -v helm || tests/cluster/cluster which helm)} || fail "there is no helm: HELM= says where one is"

# The chart first: it is small, so what is wrong with a login or a flag is known before the images go.
chart=build/images/chart
rm -rf "$chart"
"$helm" package helm/fractos --version "$version" --app-version "$version" --destination "$chart" >/dev/null
# shellcheck disable=SC2086  # several flags
"$helm" push ${HELM_PUSH_FLAGS:-} "$chart"/fractos-*.tgz "oci://$REGISTRY/fractos/charts" ||
  fail "the chart was not pushed. A registry that asks who you are: helm registry login $host." \
    "One without TLS: HELM_PUSH_FLAGS=--plain-http"

# push ARCHIVE IMAGE
push() {
  if command -v skopeo >/dev/null; then
    # shellcheck disable=SC2086
    skopeo copy --quiet ${PUSH_FLAGS:-} "oci-archive:$1" "docker://$2"
    return
  fi
  local id status=0
  id=$(buildah --storage-driver vfs pull --quiet "oci-archive:$1") || return
  # shellcheck disable=SC2086
  buildah --storage-driver vfs push --quiet ${PUSH_FLAGS:-} "$id" "docker://$2" || status=$?
  buildah --storage-driver vfs rmi "$id" >/dev/null || true
  return $status
}

for archive in "${archives[@]}"; do
  image=$REGISTRY/fractos/$(basename "$archive" .tar):$version
  push "$archive" "$image" ||
    fail "$image was not pushed, nor what comes after it; again does no harm. A registry that asks" \
      "who you are: buildah login $host. One without TLS: PUSH_FLAGS=--tls-verify=false"
  echo "pushed $image"
done
