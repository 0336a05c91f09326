#!/usr/bin/env bash
# Copies crds/ into the chart, which can hold nothing from outside its own folder. --check only says
# whether the copy is equal. A symbolic link would do on this machine, but Helm complains of links, and
# archives of the sources lose them on other systems.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=helm/fractos/files/crds

case ${1:-} in
  --check)
    if ! diff -r crds "$copy"; then
      echo "$copy is not a copy of crds/: run tools/sync_crds.sh" >&2
      exit 1
    fi
    echo "$(ls crds | wc -l) CRDs are equal"
    ;;
  "")
    mkdir -p "$copy"
    rm -f "$copy"/*.yaml
    cp crds/*.yaml "$copy"
    ;;
  *)
    echo "tools/sync_crds.sh: unknown argument: $1 (known: --check)" >&2
    exit 2
    ;;
esac
