# shellcheck shell=bash
# How far the rebuild of a machine is.

rebuild_of() { the "$1" ".status.attempts[-1:].rebuild.$2"; }

rebuilt() {
  [ "$(rebuild_of "$1" number)" = "$2" ] && [ "$(rebuild_of "$1" outcome)" = Ready ] &&
    kubectl wait --for=condition=Ready "testnode/$1" -n "$namespace" --timeout=1s >/dev/null
}

has_number() { servers_of "$1" | jq -e --arg number "$2" '.[0].metadata["testnode-boot"] == $number' >/dev/null; }

rebuilds_of() {
  local id
  id=$(servers_of "$1" | jq -r '.[0].id')
  inside GET "nova/v2.1/servers/$id/os-instance-actions" | jq '[.instanceActions[] | select(.action == "rebuild")] | length'
}
