#!/usr/bin/env bash
# The checks that are no tests. Each prints one line, or what is wrong.
#
#   tools/check.sh BUILD [NAME...]
#
# BUILD is a configured build directory, for compile commands and programs. Without names: all but
# tidy. Ends with "checks: N passed, M failed".
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?a build directory, as in: tools/check.sh build/dev}
shift
[ $# -gt 0 ] || set -- scripts words format includes crds headers threads promises docs demo
jobs=${JOBS:-2}

files() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

# The tools themselves: they parse, and their own tests pass.
check_scripts() {
  local status=0 file
  for file in tools/*.sh .ci/run; do bash -n "$file" || status=1; done
  local log
  log=$(PYTHONDONTWRITEBYTECODE=1 python3 -W ignore -m unittest discover -s tools/tests \
          -p '*_test.py' 2>&1) || { echo "$log"; status=1; }
  return $status
}

# The project speaks of itself alone: no path of somebody's machine, no host of a package registry.
check_words() {
  local found
  found=$(files . ':!tests/cluster/binaries/*/go.mod' ':!tests/cluster/binaries/*/go.sum' | xargs -0 grep -nIE \
    '(^|[^[:alnum:]_.{}$-])/(home|root|work)/[a-z.]|(py[p]i|np[m]js|gola[n]g|debia[n]|crate[s])[.](org|io|com)\b' \
    2>/dev/null | cut -c1-160)
  [ -z "$found" ] || { echo "$found"; return 1; }
}

check_format() {
  [ -n "$(clang-format --version | grep ' 14\.')" ] || echo "note: CI formats with clang-format 14"
  files '*.h' '*.cc' | xargs -0 -r clang-format --dry-run --Werror
}

check_includes() { tools/check_includes.py; }
check_headers() { tools/check_compile.py headers --build "$build" --jobs "$jobs"; }
check_threads() { tools/check_compile.py threads --build "$build" --jobs "$jobs"; }
check_tidy() {
  tools/check_compile.py tidy --build "$build" --jobs "$jobs" ${BASE:+--base "$BASE"}
}
# The chart installs its own copies.
check_crds() { tools/sync_crds.sh --check; }
check_promises() { tools/promises.py --check; }

programs() { ninja -C "$build" -j"$jobs" --quiet programs; }
check_docs() {
  programs && ninja -C "$build" -j"$jobs" --quiet fractos-operator &&
    tools/check_reference.py --bin "$build/bin" && tools/check_metrics.py &&
    tools/check_docs.py --bin "$build/bin"
}
check_demo() { programs && tools/demo.py "$build/bin"; }

passed=0
failed=0
for name in "$@"; do
  if ! declare -F "check_$name" >/dev/null; then
    echo "tools/check.sh: there is no check '$name'" >&2
    exit 2
  fi
  start=$SECONDS
  if output=$("check_$name" 2>&1); then
    passed=$((passed + 1))
    printf 'ok     %-9s %3d s  %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 <<<"$output")"
  else
    failed=$((failed + 1))
    printf '%s\n' "$output" | tail -n 200
    printf 'FAILED %-9s %3d s\n' "$name" $((SECONDS - start))
  fi
done
echo "checks: $passed passed, $failed failed"
[ $failed -eq 0 ]
