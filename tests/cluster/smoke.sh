#!/usr/bin/env bash
# Brings the cluster up, tries what README.md promises of it, takes it down, and looks whether
# anything is left. Everything is waited for with a deadline. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")"
unset KUBECONFIG # the cluster of this machine is what is tried
export PYTHONDONTWRITEBYTECODE=1

if ./cluster status >/dev/null 2>&1; then
  echo "smoke: a cluster is up, and would be taken down: make cluster-down first" >&2
  exit 1
fi
kubectl=$(./cluster which kubectl) || exit 1
kubernetes=${kubectl##*-}
work=$(mktemp -d)
passed=0
failed=0

finish() {
  ./cluster down >/dev/null
  rm -rf "$work"
}
trap finish EXIT

# try WHAT COMMAND...: one line, and the output if it fails.
try() {
  local what=$1 start=$EPOCHREALTIME output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    printf 'ok     %5.1f s  %s\n' "$(since "$start")" "$what"
  else
    failed=$((failed + 1))
    printf 'FAILED %5.1f s  %s\n%s\n' "$(since "$start")" "$what" "$(tail -n 40 <<<"$output")"
  fi
}

since() { awk "BEGIN { print $EPOCHREALTIME - $1 }"; }

# within SECONDS COMMAND...: until it succeeds. Another machine's state gives no event to wait for.
within() {
  local until=$((SECONDS + $1)) output
  shift
  until output=$("$@" 2>&1); do
    [ $SECONDS -lt $until ] || { echo "not in time: $*: $output"; return 1; }
    sleep 0.2
  done
  printf '%s\n' "$output"
}

k() { "$kubectl" --request-timeout=10s --namespace smoke "$@"; }
in_pod() { local pod=$1; shift; k exec "$pod" -- sh -c "$*"; }

# What of this machine a cluster could leave behind.
machine() {
  ip -o link | cut -d@ -f1
  ip route show table all | sort
  ip netns
  iptables-save 2>/dev/null | sed 's/#.*//; s/\[[0-9:]*\]//'
  cut -d' ' -f5 /proc/self/mountinfo | sort
  find /sys/fs/cgroup -maxdepth 2 -name 'fractos*'
  find /run /var/lib /var/log /etc/cni /opt /usr/libexec -maxdepth 2 \
    \( -name '*kube*' -o -name '*containerd*' -o -name 'cni' -o -name 'pods' -o -name '*fractos*' \
       -o -name 'containers' \) 2>/dev/null | sort
  ps -eo args= | grep -E '(^|/)(etcd|kube|coredns|containerd|pause-)[^ ]* ' | grep -v grep
  sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
    kernel.keys.root_maxkeys net.ipv4.ip_forward net.netfilter.nf_conntrack_max 2>/dev/null
}

up_again() {
  local start=$EPOCHREALTIME
  ./cluster up | grep "up already" && awk "BEGIN { exit !($(since "$start") < 3) }"
}

other_count() { ! ./cluster up --nodes 1 2>"$work/other" && grep "of 3 nodes is up" "$work/other"; }

versions() {
  k version | grep -F "Server Version: v$kubernetes" &&
    k get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}' |
      grep -Fx "v$kubernetes v$kubernetes v$kubernetes"
}

plain_names() {
  local folder
  folder=$(./cluster path) && PATH="$folder:$PATH" bash -c 'kubectl get nodes && helm list -A' &&
    ! PATH="$folder" helm template ../../helm/fractos 2>&1 >/dev/null | grep .
}

# That whoever reads it has gone is no error to be told of.
read_by_nobody() { ./cluster status 2>"$work/cut" | true; [ ! -s "$work/cut" ] || { cat "$work/cut"; return 1; }; }

pod_per_node() {
  ./cluster load toolbox && k apply -f smoke/web.yaml &&
    k rollout status statefulset/web --timeout=60s &&
    [ "$(k get pods -l app=web -o jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\n' |
         sort -u | wc -l)" -eq 3 ]
}

pod_on() { # the name of the pod on a node
  k get pods -l app=web --field-selector "spec.nodeName=$1" -o jsonpath='{.items[0].metadata.name}'
}

fetch() { in_pod "$1" "curl --silent --show-error --fail --max-time 3 http://$2"; }

by_name() {
  [ "$(fetch web-0 web-1.web:8080/name)" = web-1 ] &&
    [ "$(fetch web-1 web-2.web.smoke.svc.cluster.local:8080/name)" = web-2 ] &&
    [ "$(fetch web-2 web-0.web.smoke.svc:8080/name)" = web-0 ]
}

no_such_name() {
  ! fetch web-0 example.invalid/ 2>"$work/name" && grep "Could not resolve host" "$work/name"
}

no_way_out() {
  ! fetch web-0 203.0.113.1/ 2>"$work/out" && grep "Couldn't connect" "$work/out"
}

service() {
  fetch web-0 balanced/name | grep '^web-' &&
    curl --silent --max-time 3 \
      "http://$(k get service balanced -o jsonpath='{.spec.clusterIP}')/name" | grep '^web-'
}

to_pods() {
  local ip
  for ip in $(k get pods -l app=web -o jsonpath='{.items[*].status.podIP}'); do
    curl --silent --fail --max-time 3 "http://$ip:8080/name" || return 1
  done
}

logs_and_exec() {
  [ "$(in_pod web-1 'cat /own/name; id -u')" = $'web-1\n65532' ] && k logs web-1
}

restricted() {
  ! k run bad --image=localhost/fractos-cluster/toolbox:1 --privileged 2>"$work/bad" &&
    grep 'violates PodSecurity "restricted' "$work/bad"
}

shared_volume() {
  in_pod web-0 'echo from web-0 >/shared/file' &&
    [ "$(in_pod web-1 'cat /shared/file; echo and web-1 >>/shared/file')" = "from web-0" ] &&
    [ "$(in_pod web-2 'cat /shared/file')" = $'from web-0\nand web-1' ]
}

node_is() { # NODE STATUS
  [ "$("$kubectl" --request-timeout=5s get node "$1" \
       -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = "$2" ]
}

cut_node() {
  ./cluster cut node2 && within 60 node_is node2 Unknown && ! fetch "$(pod_on node1)" \
    "$(k get pod "$(pod_on node2)" -o jsonpath='{.status.podIP}'):8080/name"
}

heal_node() {
  ./cluster heal node2 && within 60 node_is node2 True && within 10 by_name
}

one_way() {
  local pod
  pod=$(pod_on node3)
  ./cluster cut node3 --direction in && ! timeout 3 "$kubectl" -n smoke exec "$pod" -- true &&
    ./cluster heal node3 && within 10 k exec "$pod" -- sh -c true
}

on_node() { ./cluster node-exec node3 ctr -n k8s.io tasks ls -q | grep . ; }

api_server() {
  ./cluster apiserver stop && ! k get nodes && ./cluster apiserver start && k get nodes &&
    ./cluster apiserver kill && ! k get nodes && ./cluster apiserver start && within 10 by_name
}

# A list's continuation from a revision that was compacted away, by an API server that has not seen
# that revision itself.
gone() {
  local token answer
  token=$(k get --raw '/api/v1/pods?limit=1' | python3 -c \
    'import json, sys; print(json.load(sys.stdin)["metadata"]["continue"])') || return 1
  k annotate service web touched=yes && ./cluster compact &&
    ./cluster apiserver stop && ./cluster apiserver start || return 1
  answer=$(k get --raw "/api/v1/pods?limit=1&continue=$token" 2>&1)
  grep -iE 'expired|too old|410' <<<"$answer" || { echo "$answer"; return 1; }
}

audited() {
  grep '"verb":"create"' "$(./cluster audit-log)" | grep '"resource":"statefulsets"' |
    grep -q '"name":"web"'
}

volumes_go() {
  local volumes
  volumes=$(dirname "$(./cluster audit-log)")/volumes
  [ "$(ls "$volumes" | wc -l)" -eq 4 ] && "$kubectl" delete namespace smoke --timeout=60s &&
    within 20 none_in "$volumes"
}
none_in() { [ -z "$(ls "$1")" ]; }

nothing_left() {
  ./cluster down && within 10 same_machine
}
same_machine() { diff "$work/before" <(machine); }

down_again() { ./cluster down | grep "down already"; }

machine >"$work/before"
try "three nodes are up" ./cluster up --nodes 3
if [ $failed -eq 0 ]; then
  KUBECONFIG=$(./cluster kubeconfig)
  export KUBECONFIG
  try "up on a running cluster says so" up_again
  try "up with another count is refused" other_count
  try "server and nodes are $kubernetes" versions
  try "kubectl and helm by their own names, and helm knows the version without a cluster" plain_names
  try "what status says may be cut short" read_by_nobody
  try "a pod runs on each node, from an image that was loaded" pod_per_node
  try "pods find each other across nodes, by the headless service's names" by_name
  try "a name outside does not exist" no_such_name
  try "there is no way out of the cluster" no_way_out
  try "a service is reached from a pod, and from this machine" service
  try "pods are reached from this machine" to_pods
  try "kubectl exec and logs, as another user than root" logs_and_exec
  try "Pod Security refuses a privileged pod" restricted
  try "pods on three nodes share a volume" shared_volume
  try "a node that is cut is NotReady" cut_node
  try "healed, it is Ready and its pods are reached" heal_node
  try "a node that is cut one way" one_way
  try "a command runs on a node" on_node
  try "the API server is stopped, killed and started" api_server
  try "after a compaction, an old list cannot be continued: 410" gone
  try "the audit log names who made what" audited
  try "volumes go with their claims" volumes_go
fi
unset KUBECONFIG
try "down leaves nothing" nothing_left
try "down again says so" down_again
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
