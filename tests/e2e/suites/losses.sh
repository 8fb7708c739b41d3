# shellcheck shell=bash
# What is lost has a way back: each test does what docs/losses.md says, with its commands.

# way_back HEADING: the commands below a heading of docs/losses.md, with the names of this lab.
way_back() {
  awk -v heading="## $1" '$0 == heading {on = 1; next} /^## / {on = 0} on' "$root/docs/losses.md" |
    sed -n '/^```console$/,/^```$/{/^```/d; s/^\$ //; s/^> //; p}' |
    sed -e "s,YOUR/IMAGE,testnode-operator,; s,charts/testnode-operator,$chart,; s/lab-openstack/lab/g" -e "s/-f cloud.yaml/-f ${work//\//\\/}\\/cloud.yaml/"
}

# goes_back HEADING: does it.
goes_back() {
  local commands
  commands=$(way_back "$1")
  [[ -n $commands ]] || fail "docs/losses.md has no commands below: $1"
  (cd "$root" && timeout 120 bash -euo pipefail -c "$commands") >"$work/log/way-back.log" 2>&1 ||
    fail "$commands"$'\n'"$(<"$work/log/way-back.log")"
}

# machine NODE: the id of its server, which nothing may replace.
machine() { the "$1" .status.server.id; }

test_the_role_was_deleted() { on_purpose lose_a_right role; }

test_the_cluster_role_was_deleted() { on_purpose lose_a_right clusterrole; }

# lose_a_right KIND
lose_a_right() {
  local before
  node steady | apply
  wait_ready steady
  before=$(machine steady)
  kubectl delete "$1" testnode-operator -n "$SYSTEM" >/dev/null
  stop_operator || true
  goes_back 'A Role, a ClusterRole or the ServiceAccount was deleted'
  start_operator
  equal "$before" "$(machine steady)" 'the server of the node'
  node later | apply
  wait_ready later
}

test_the_service_account_was_deleted() { on_purpose lose_the_account; }

lose_the_account() {
  local before
  node steady | apply
  wait_ready steady
  before=$(machine steady)
  kubectl delete serviceaccount testnode-operator -n "$SYSTEM" >/dev/null
  # Its token is worth nothing now, and the process ends.
  eventually 60 ended operator
  goes_back 'A Role, a ClusterRole or the ServiceAccount was deleted'
  # What a new pod would get.
  operator_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" testnode-operator)
  start_operator
  equal "$before" "$(machine steady)" 'the server of the node'
  node later | apply
  wait_ready later
}

test_the_secret_was_deleted() {
  local before
  node steady | apply
  wait_ready steady
  before=$(machine steady)
  at_cloud GET clouds.yaml >"$work/clouds.yaml"
  # Our finalizer holds it; somebody took that away, too.
  kubectl delete secret lab -n "$SYSTEM" --wait=false >/dev/null
  kubectl patch secret lab -n "$SYSTEM" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
  is_told 40 cloud/lab Ready False SecretNotFound
  (cd "$work" && bash -euo pipefail -c "$(way_back 'The Secret of a Cloud was deleted')") >/dev/null
  is_told 40 cloud/lab Ready True
  equal "$before" "$(machine steady)" 'the server of the node'
  node later | apply
  wait_ready later
}

test_a_definition_was_deleted() {
  local before
  node steady | apply
  wait_ready steady
  before=$(machine steady)
  lab_objects | as_json | jq '{apiVersion: "v1", kind: "List", items: map(select(.kind == "Cloud"))}' >"$work/cloud.yaml"
  # A policy refuses it, unless there is none.
  kubectl delete validatingadmissionpolicybinding testnode-operator-keeps-clouds testnode-operator-keeps-machinetypes >/dev/null
  eventually 20 kubectl delete crd clouds.testnode.dev --wait=false
  eventually 20 in_deletion cloud/lab
  goes_back 'The definition of Clouds was deleted'
  is_told 60 cloud/lab Ready True
  equal "$before" "$(machine steady)" 'the server of the node'
  eventually 60 says testnode/steady Ready True
  node later | apply
  wait_ready later 90
  kubectl get validatingadmissionpolicybinding testnode-operator-keeps-clouds >/dev/null
}

in_deletion() { [[ -n $(kubectl get "$1" -n "$namespace" -o 'jsonpath={.metadata.deletionTimestamp}') ]]; }

test_the_definition_of_machine_types_was_deleted() {
  local before
  node steady | apply
  wait_ready steady
  before=$(machine steady)
  kubectl delete validatingadmissionpolicybinding testnode-operator-keeps-clouds testnode-operator-keeps-machinetypes >/dev/null
  eventually 20 kubectl delete crd machinetypes.testnode.dev
  install_release
  lab_objects | apply
  equal "$before" "$(machine steady)" 'the server of the node'
  node later | apply
  wait_ready later 90
}

test_the_namespace_of_the_operator_was_deleted() { on_purpose lose_the_namespace; }

lose_the_namespace() {
  local before
  node steady 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready steady
  before=$(machine steady)
  kubectl delete namespace "$SYSTEM" --wait=false >/dev/null
  eventually 60 no_role_left
  stop_operator || true
  goes_back "The operator's namespace was deleted"
  # The new one is as good as the old.
  SYSTEM=testnode-system-2
  operator_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" testnode-operator)
  start_operator
  is_told 60 cloud/lab Ready True
  equal "$before" "$(machine steady)" 'the server of the node'
  kubectl delete testnode steady -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
  home_again
}

test_the_operator_moves_to_another_namespace() { on_purpose move_the_operator; }

move_the_operator() {
  local before commands
  node steady 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready steady
  before=$(machine steady)
  stop_operator
  commands=$(sed -n '/^ *```console$/,/^ *```$/{/^ *```/d; s/^ *\$ //; p}' "$root/docs/how-to/move-to-another-namespace.md" |
    grep -v '^kubectl wait' | sed -e "s,charts/testnode-operator,$chart,; s/lab-openstack/lab/g")
  (cd "$work" && timeout 120 bash -euo pipefail -c "$commands") >"$work/log/way-back.log" 2>&1 ||
    fail "$commands"$'\n'"$(<"$work/log/way-back.log")"
  [[ -z $(kubectl get secret lab -n "$SYSTEM" -o name --ignore-not-found) ]] || fail 'the old Secret is still there'
  SYSTEM=testnode-new
  operator_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" testnode-operator)
  start_operator
  is_told 60 cloud/lab Ready True
  contains "$(<"$work/log/operator.log")" 'the operator was in namespace testnode-system before'
  equal "$before" "$(machine steady)" 'the server of the node'
  node later | apply
  wait_ready later
  kubectl delete testnode steady later -n "$namespace" --timeout=60s >/dev/null
  kubectl delete namespace testnode-system --timeout=60s >/dev/null
  home_again
}

# home_again: back, for the tests that follow. Nothing of ours holds a namespace that no Cloud needs.
home_again() {
  kubectl delete cloud lab --timeout=30s >/dev/null
  stop_operator
  helm_to uninstall >/dev/null 2>&1
  kubectl delete namespace "$SYSTEM" --timeout=60s >/dev/null
  SYSTEM=testnode-system
  eventually 30 gone "namespace/$SYSTEM"
  install_again
}

no_role_left() { [[ -z $(kubectl get roles -n "$SYSTEM" -o name) ]]; }

# install_again: into the first namespace.
install_again() {
  kubectl create namespace "$SYSTEM" >/dev/null
  helm_to install "$chart" --take-ownership --force-conflicts >/dev/null 2>&1
  install_release
  credentials lab | apply
  lab_objects | apply
  start_operator
  is_told 30 cloud/lab Ready True
}

test_a_secret_that_no_cloud_needs_any_more_is_not_held() {
  credentials "$namespace" | apply
  own_cloud
  is_told 30 "cloud/$namespace" Ready True
  kubectl patch cloud "$namespace" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
  stop_operator
  kubectl delete cloud "$namespace" --wait=false >/dev/null
  kubectl patch cloud "$namespace" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null || true
  start_operator
  eventually 90 not_held "$namespace"
  # The other one's Cloud is there.
  equal cloud.testnode.dev/lab "$(kubectl get secret lab -n "$SYSTEM" -o 'jsonpath={.metadata.finalizers[*]}')" 'who holds the Secret'
}

not_held() { [[ -z $(kubectl get secret "$1" -n "$SYSTEM" -o 'jsonpath={.metadata.finalizers[*]}') ]]; }
