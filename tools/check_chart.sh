#!/usr/bin/env bash
# The checks of the chart, the CRDs, the alerts and the dashboards. Each prints one line, or what is
# wrong.
#
#   tools/check_chart.sh [NAME...]
#
# Tools are those that `make kube-tools` and `make cluster-binaries` build, in the versions of
# tests/cluster/programs.py, and promtool of Debian's package prometheus. A check whose tool is missing
# fails and says so. The last line is "chart: N passed, M failed".
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- lint unit docs metrics dashboards rules schemas kube-score kube-linter \
                       dashboard-linter admission server
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fractos
chart=helm/fractos
# What templates are rendered for.
kubernetes=$(sed -n 's/^KUBERNETES = "\(.*\)"$/\1/p' tests/cluster/programs.py)

missing_tool=69  # the exit status of a check that could not run

# tool NAME: its path, on standard output.
tool() { tests/cluster/cluster which "$1" || return $missing_tool; }

# promtool: that of PATH, else out of Debian's package, which is not installed, for it would start a server.
promtool() {
  local path=$cache/bin/promtool folder
  if type -P promtool; then return; fi
  if [ ! -x "$path" ]; then
    folder=$(mktemp -d) && mkdir -p "$cache/bin"
    if ! { (cd "$folder" && apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb .) &&
           mv "$folder/usr/bin/promtool" "$path"; } >&2; then
      rm -rf "$folder"
      echo "promtool is neither on PATH nor in Debian's package prometheus" >&2
      return $missing_tool
    fi
    rm -rf "$folder"
  fi
  echo "$path"
}

# render VALUES...: the manifests with these files of helm/fractos/ci.
render() {
  local helm; helm=$(tool helm) || return
  local flags=() values
  for values in "$@"; do flags+=(-f "$chart/ci/$values-values.yaml"); done
  "$helm" template fractos "$chart" --namespace fractos-system --kube-version "$kubernetes" \
    --api-versions monitoring.coreos.com/v1 "${flags[@]}"
}

check_lint() {
  local helm status=0 values; helm=$(tool helm) || return
  for values in "" full namespaced; do
    "$helm" lint --strict --quiet "$chart" --kube-version "$kubernetes" \
      ${values:+-f "$chart/ci/$values-values.yaml"} || status=1
  done
  [ $status -ne 0 ] || echo "3 sets of values"
  return $status
}

check_unit() {
  local unittest log; unittest=$(tool helm-unittest) || return
  log=$("$unittest" --strict --color=false "$chart" 2>&1) || { echo "$log"; return 1; }
  sed -n 's/^Tests: *//p' <<<"$log"
}

check_docs() {
  local docs copy status=0; docs=$(tool helm-docs) || return
  copy=$(mktemp -d)
  cp -r "$chart" "$copy/fractos"
  "$docs" --chart-search-root "$copy" --sort-values-order file --log-level error || status=1
  diff "$chart/README.md" "$copy/fractos/README.md" || {
    echo "$chart/README.md is old: run helm-docs --chart-search-root helm --sort-values-order file"; status=1; }
  rm -rf "$copy"
  [ $status -ne 0 ] || echo "$chart/README.md is up to date"
  return $status
}

check_metrics() { local program; program=$(promtool) && tools/check_metrics.py --promtool "$program"; }
check_dashboards() { tools/make_dashboards.py --check; }

check_rules() {
  local program; program=$(promtool) || return
  "$program" check rules "$chart"/files/rules/*.yaml && "$program" test rules tests/alerts/*_test.yaml &&
    echo "every alert was tried"
}

# Against what the API server itself says; kinds of the Prometheus operator are none of its.
check_schemas() {
  local conform schemas=$cache/schemas/kubernetes-$kubernetes values; conform=$(tool kubeconform) || return
  if [ ! -d "$schemas" ]; then
    tools/openapi_schemas.py "$schemas.new" || return
    rm -rf "$schemas" && mv "$schemas.new" "$schemas"
  fi
  for values in full namespaced; do
    render $values | "$conform" -strict -summary -skip ServiceMonitor,PodMonitor,PrometheusRule \
      -schema-location "$schemas/{{.ResourceKind}}{{.KindSuffix}}.json" || return 1
  done
}

check_kube-score() {
  local score values ignored=(); score=$(tool kube-score) || return
  while read -r name _; do ignored+=(--ignore-test "$name"); done \
    < <(grep -v '^ *\(#\|$\)' "$chart/ci/kube-score.txt")
  for values in full namespaced; do
    render $values | "$score" score --kubernetes-version "v${kubernetes%.*}" --exit-one-on-warning \
      "${ignored[@]}" - || return 1
  done
  echo "$((${#ignored[@]} / 2)) test left out, for the reason in $chart/ci/kube-score.txt"
}

check_kube-linter() {
  local linter values; linter=$(tool kube-linter) || return
  for values in full namespaced; do render $values | "$linter" lint - || return 1; done
}

check_dashboard-linter() {
  local linter file files=("$chart"/dashboards/*.json); linter=$(tool dashboard-linter) || return
  for file in "${files[@]}"; do "$linter" lint --strict "$file" || return 1; done
  echo "${#files[@]} dashboards"
}

# on_server PROGRAM: one of the tests on a real API server, which exit 2 for want of programs.
on_server() {
  "$1"
  local status=$?
  [ $status -ne 2 ] || return $missing_tool
  return $status
}

check_admission() { on_server tests/crds/run.py; }
check_server() { on_server tests/chart/run.py; }

passed=0
failed=0
for name in "$@"; do
  if ! declare -F "check_$name" >/dev/null; then
    echo "tools/check_chart.sh: there is no check '$name'" >&2
    exit 2
  fi
  start=$SECONDS
  output=$("check_$name" 2>&1)
  status=$?
  if [ $status -eq 0 ]; then
    passed=$((passed + 1))
    printf 'ok     %-16s %3d s  %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 <<<"$output")"
  else
    failed=$((failed + 1))
    printf '%s\n' "$output" | tail -n 100
    [ $status -ne $missing_tool ] || echo "$name could not be checked"
    printf 'FAILED %-16s %3d s\n' "$name" $((SECONDS - start))
  fi
done
echo "chart: $passed passed, $failed failed"
[ $failed -eq 0 ]
