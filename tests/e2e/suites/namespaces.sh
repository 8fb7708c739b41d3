# shellcheck shell=bash
# A namespace that goes takes its nodes along, machines and all.

test_a_namespace_goes_with_a_ready_node_in_it() {
  node resident 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  wait_ready resident
  kubectl delete namespace "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the namespace is gone'
  new_namespace
}

test_a_namespace_goes_with_a_node_in_mid_bring_up() {
  node resident 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  eventually 20 there_is_a_server
  kubectl delete namespace "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the namespace is gone'
  new_namespace
}

there_is_a_server() { (($(servers_of resident | jq length) == 1)); }
