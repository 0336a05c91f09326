#!/usr/bin/env bash
# Installs the Debian packages that are missing, and only those, and says which.
#
#   tools/deps.sh [--check] [--quiet] [build] [checks] [cluster] [images]
#
# build   what building, testing and running takes (the default)
# checks  what the checks of .ci/run take on top
# cluster what the Kubernetes of tests/cluster takes, besides Go
# images  what building container images takes
# --check only says what is missing; exits 1 if anything is
# --quiet says nothing when nothing is missing
#
# On a system without dpkg it lists what to install; FRACTOS_SKIP_DEPS=1 then tells it that this has
# been done.
set -euo pipefail

build=(g++ make cmake ninja-build pkg-config python3 git
       libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev
       libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libre2-dev libssl-dev
       prometheus-cpp-dev libcpp-httplib-dev libcpprest-dev
       libopencv-core-dev libopencv-imgproc-dev libopencv-dnn-dev libjpeg62-turbo-dev
       libpng-dev zlib1g-dev libboost-dev
       libgtest-dev libgmock-dev)
checks=(clang clang-tidy clang-format ccache mold graphviz)
cluster=(make gcc libc6-dev python3 python3-yaml curl openssl iproute2 util-linux mount
         containerd runc containernetworking-plugins iptables conntrack socat
         buildah busybox-static)
images=(buildah mmdebstrap ca-certificates binutils)

check_only=false
quiet=false
wanted=()
for argument in "$@"; do
  case $argument in
    --check) check_only=true ;;
    --quiet) quiet=true ;;
    build) wanted+=("${build[@]}") ;;
    checks) wanted+=("${checks[@]}") ;;
    cluster) wanted+=("${cluster[@]}") ;;
    images) wanted+=("${images[@]}") ;;
    *) echo "tools/deps.sh: unknown argument: $argument" \
            "(known: --check --quiet build checks cluster images)" >&2
       exit 2 ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${build[@]}")
[ "${FRACTOS_SKIP_DEPS:-}" != 1 ] || exit 0

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  cat >&2 <<MESSAGE
This is not a Debian system, so the packages cannot be installed from here. Install what these
Debian 12 packages hold, then say FRACTOS_SKIP_DEPS=1:
  ${wanted[*]}
MESSAGE
  exit 1
fi

# One query for all; a package that dpkg has never heard of only makes it exit non-zero.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
            sed -n 's/^installed //p') || true
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
                                <(printf '%s\n' "$installed" | sort -u))

if [ ${#missing[@]} -eq 0 ]; then
  $quiet || echo "deps: all ${#wanted[@]} packages are there"
  exit 0
fi
echo "deps: missing ${#missing[@]} of ${#wanted[@]}: ${missing[*]}"
! $check_only || exit 1

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "deps: installing takes root, and there is no sudo. As root:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update &&
       "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "deps: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
echo "deps: installed ${missing[*]}"
