# shellcheck shell=bash
# The pages of docs/how-to: their commands, as they stand, do what the page says.

# commands PAGE: of docs/how-to/PAGE.md, one a line, with the namespace of the test. What needs a program or a guest that is
# not here is left out.
commands() {
  awk '/^ *```console$/ {on = 1; next} /^ *```$/ {on = 0} on && (/^ *\$ / || more) {sub(/^ *\$ /, ""); more = /\\$/; sub(/\\$/, ""); printf "%s%s", $0, more ? "" : "\n"}' \
    "$root/docs/how-to/$1.md" |
    grep -v -E '^(ssh -o|ssh -F|kubectl testnode ssh smithi001|ANSIBLE_|teuthology|openstack|kubectl rollout|kubectl create namespace) ?' |
    sed -e "s,\brados\b,$namespace,g; s,charts/testnode-operator,$chart,g"
}

# does PAGE: runs its commands, in a folder of their own. What they print is in $work/said.
does() {
  local text
  text=$(commands "$1")
  [[ -n $text ]] || fail "docs/how-to/$1.md has no commands"
  rm -rf "$work/desk" && mkdir "$work/desk"
  (cd "$work/desk" && timeout 120 bash -euo pipefail -c "$text") >"$work/said" 2>&1 || fail "$text"$'\n'"$(<"$work/said")"
}

# smithi [SPEC]: the node of the pages.
smithi() {
  node smithi001 "${1:-}" | sed 's/namespace: [^}]*/&, labels: {job: "17"}/' | apply
}

test_log_in() {
  smithi
  wait_ready smithi001
  does log-in
  matches "$(sed -n 1p "$work/desk/known_hosts")" "^smithi001[.]$ZONE"
  # What ssh makes of it.
  ssh-keygen -F "smithi001.$ZONE" -f "$work/desk/known_hosts" >/dev/null || fail "$(<"$work/desk/known_hosts")"
}

test_failed_boot() {
  own_machine_type '.spec.timeouts = {boot: "5s"} | .spec.launchRetries = 1 | .spec.onFailure = "Hold"'
  knob '{"guest_boot": "10m"}'
  MACHINE_TYPE=$namespace smithi
  is_told 90 testnode/smithi001 Ready False HeldAfterFailure
  does failed-boot
  contains "$(<"$work/said")" BootTimeout 'attempt 1'
  [[ -n $(the smithi001 '.status.attempts[-1:].consoleTail') ]] || fail 'no last lines of the console'
}

test_keep_a_failed_machine() {
  own_machine_type '.spec.timeouts = {boot: "5s"} | .spec.launchRetries = 2'
  knob '{"guest_boot": "10m"}'
  MACHINE_TYPE=$namespace smithi
  run_line keep-a-failed-machine 1
  is_told 90 testnode/smithi001 Ready False HeldAfterFailure
  equal 1 "$(servers_of smithi001 | jq length)" 'servers that are kept'
  run_line keep-a-failed-machine 2
  eventually 60 has_attempts 2
  run_line keep-a-failed-machine 3
  gone testnode/smithi001 || fail 'the node is still there'
}

# has_attempts NUMBER
has_attempts() { kubectl get testnode smithi001 -n "$namespace" -o json | jq -e "[.status.attempts[].number] | max >= $1"; }

# run_line PAGE N: only this command.
run_line() { bash -euo pipefail -c "$(commands "$1" | sed -n "$2p")" >/dev/null; }

test_give_a_team_access() {
  does give-a-team-access
  equal yes "$(tail -n 1 "$work/said")" 'what the last command prints'
  equal no "$(kubectl auth can-i create testnodes -n "$namespace" --as bob --as-group others 2>/dev/null || true)" 'somebody else'
}

test_limit_a_team() {
  local name
  does limit-a-team
  eventually 20 quota_counts
  kubectl patch quota testnodes -n "$namespace" --type merge -p '{"spec":{"hard":{"count/testnodes.testnode.dev":"1"}}}' >/dev/null
  eventually 20 quota_counts 1
  node first 'paused: true' | apply
  contains "$(node second 'paused: true' | refused kubectl apply -f -)" 'exceeded quota'
  # As the page says: without the group it is taken, and limits nothing.
  kubectl create quota wrong -n "$namespace" --hard=count/testnodes=0 >/dev/null
  kubectl delete quota testnodes -n "$namespace" >/dev/null
  node second 'paused: true' | apply
  # What it says of a machine type is taken by the API server.
  for name in limits allowedNamespaces; do
    kubectl explain "machinetype.spec.$name" >/dev/null
  done
}

# quota_counts [HARD]
quota_counts() {
  kubectl get quota testnodes -n "$namespace" -o json |
    jq -e --arg hard "${1:-20}" '.status.hard["count/testnodes.testnode.dev"] == $hard'
}

test_alerts_by_mail() {
  for kind in ServiceMonitor PrometheusRule; do
    kubectl create -f - >/dev/null <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${kind,,}s.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: $kind, plural: ${kind,,}s}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
YAML
  done
  eventually 20 does alerts-by-mail
  contains "$(kubectl get prometheusrules,servicemonitors -n "$SYSTEM" -o name)" prometheusrule servicemonitor
  install_release
  kubectl delete crd servicemonitors.monitoring.coreos.com prometheusrules.monitoring.coreos.com >/dev/null
}

test_ansible_and_ssh() {
  smithi
  wait_ready smithi001
  does ansible-and-ssh
  contains "$(<"$work/desk/inventory.ini")" smithi001
  contains "$(<"$work/desk/targets.yaml")" "smithi001.$ZONE"
  contains "$(ssh -F "$work/desk/ssh_config" -G smithi001 2>/dev/null)" "hostname $(the smithi001 .status.fqdn)"
}

test_upgrade() {
  # The next version, with another default.
  rm -rf "$work/next" && cp -r "$chart" "$work/next"
  sed -i 's/^version: .*/version: 9.9.9/; s/^appVersion: .*/appVersion: 9.9.9/' "$work/next/Chart.yaml"
  sed -i 's/^resync: .*/resync: 11m/' "$work/next/values.yaml"
  helm_to upgrade "$chart" --reset-values --set logLevel=debug >/dev/null
  bash -euo pipefail -c "$(commands upgrade | sed -n "1s,NEW-CHART,$work/next,p")" >/dev/null
  equal "$IMAGE:9.9.9 debug 11m" "$(deployment '.spec.template.spec.containers[0] | .image + " " + (.env | from_entries
    | .TESTNODE_LOG_LEVEL + " " + .TESTNODE_RESYNC)')" 'image, what was set, and the new default'
  (cd "$root" && kubectl apply --server-side --force-conflicts -f crds/) >/dev/null
  install_release
}

test_two_clusters_one_project() {
  node smithi001 | apply
  wait_ready smithi001
  equal "testnode-cluster=$(kubectl get cloud lab -o 'jsonpath={.status.clusterID}')" \
    "$(servers_of smithi001 | jq -r '.[0].tags[] | select(startswith("testnode-cluster="))')" 'the tag that the page asks for'
}
