# shellcheck shell=bash
# What rights alone cannot say: who may touch what is the operator's own, and when our definitions may be deleted.

# tester COMMAND...: has testnode-edit in the namespace of the test, and what a test gives beside it.
tester() { "$1" --as tester "${@:2}"; }

tester_may_edit() {
  kubectl create rolebinding tester --clusterrole testnode-edit --user tester -n "$namespace" >/dev/null
}

# tester_also_may VERBS RESOURCES: in the whole cluster, for this test.
tester_also_may() {
  kubectl create clusterrole "$namespace" --verb "$1" --resource "$2" >/dev/null
  kubectl create clusterrolebinding "$namespace" --clusterrole "$namespace" --user tester >/dev/null
}

tester_may_no_longer() { kubectl delete clusterrole,clusterrolebinding "$namespace" >/dev/null; }

# patches KIND/NAME JSON [ARGUMENT...]: as the tester, by merge.
patches() { tester kubectl patch "$1" -n "$namespace" --type merge -p "$2" "${@:3}"; }

test_a_tester_does_not_remove_a_finalizer_of_ours() {
  local said verb
  tester_may_edit
  node mine 'volumes: [{name: osd, sizeGiB: 1}]' | tester kubectl apply -f - >/dev/null
  wait_ready mine
  said=$(refused patches testnode/mine '{"metadata":{"finalizers":null}}')
  contains "$said" Forbidden 'removed cloud.testnode.dev/lab' 'only testnode-operator'
  # By each way to write, and while the node is being deleted.
  contains "$(refused patches testnode/mine '{"metadata":{"finalizers":["example.test/other"]}}')" 'removed cloud.testnode.dev/lab'
  contains "$(kubectl get testnode mine -n "$namespace" -o json | jq 'del(.metadata.finalizers)' |
    refused tester kubectl replace -f -)" 'removed cloud.testnode.dev/lab'
  contains "$(refused tester kubectl patch testnode mine -n "$namespace" --type json \
    -p '[{"op":"remove","path":"/metadata/finalizers"}]')" 'removed cloud.testnode.dev/lab'
  knob '{"server_delete": "5s"}'
  tester kubectl delete testnode mine -n "$namespace" --wait=false >/dev/null
  contains "$(refused patches testnode/mine '{"metadata":{"finalizers":null}}')" 'removed cloud.testnode.dev/lab'
  eventually 60 gone testnode/mine
  nothing_left || fail 'something is left although the node is gone'
}

test_a_tester_does_not_forge_a_finalizer_of_ours() {
  tester_may_edit
  contains "$(node forged | as_json | jq '.[0] | .metadata.finalizers = ["cloud.testnode.dev/elsewhere"]' |
    refused tester kubectl create -f -)" 'added cloud.testnode.dev/elsewhere'
  contains "$(node forged | as_json | jq '.[0] | .metadata.finalizers = ["cloud.testnode.dev/elsewhere"]' |
    refused tester kubectl apply --server-side -f -)" 'added cloud.testnode.dev/elsewhere'
  node plain | tester kubectl apply -f - >/dev/null
  contains "$(refused patches testnode/plain '{"metadata":{"finalizers":["cloud.testnode.dev/elsewhere"]}}')" Forbidden
}

test_a_tester_with_rights_to_clouds_and_secrets_does_not_take_their_guards() {
  tester_also_may get,patch,update,create clouds.testnode.dev,secrets
  eventually 20 kubectl get cloud lab -o 'jsonpath={.metadata.finalizers[0]}'
  contains "$(refused tester kubectl patch cloud lab --type merge -p '{"metadata":{"finalizers":null}}')" \
    'removed testnode.dev/in-use'
  contains "$(refused tester kubectl patch secret lab -n "$SYSTEM" --type merge -p '{"metadata":{"finalizers":null}}')" \
    'removed cloud.testnode.dev/lab'
  contains "$(refused tester kubectl patch secret lab -n "$SYSTEM" --type merge \
    -p '{"metadata":{"finalizers":["cloud.testnode.dev/lab","cloud.testnode.dev/other"]}}')" 'added cloud.testnode.dev/other'
  # What is not ours is theirs.
  tester kubectl create secret generic own -n "$namespace" --from-literal a=b >/dev/null
  tester kubectl patch secret own -n "$namespace" --type merge -p '{"metadata":{"finalizers":["example.test/own"]}}' >/dev/null
  tester kubectl patch secret own -n "$namespace" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
  tester kubectl label secret lab -n "$SYSTEM" example.test/a=b >/dev/null
  tester kubectl label secret lab -n "$SYSTEM" example.test/a- >/dev/null
  tester_may_no_longer
}

test_a_tester_edits_and_labels_a_node_that_has_our_finalizer() {
  tester_may_edit
  node mine | tester kubectl apply -f - >/dev/null
  wait_ready mine
  patches testnode/mine '{"spec":{"paused":true},"metadata":{"labels":{"team":"rados"}}}' >/dev/null
  patches testnode/mine '{"spec":{"paused":false},"metadata":{"annotations":{"note":"mine"}}}' >/dev/null
  node mine 'expireAfter: 8h' | tester kubectl apply -f - >/dev/null
  tester kubectl delete testnode mine -n "$namespace" --cascade=foreground --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_nobody_with_a_right_to_the_status_writes_it() {
  node mine | apply
  wait_ready mine
  tester_also_may get,patch,update testnodes.testnode.dev/status,clouds.testnode.dev/status,machinetypes.testnode.dev/status
  contains "$(refused patches testnode/mine '{"status":{"attempts":null}}' --subresource status)" 'only testnode-operator writes the status'
  contains "$(refused tester kubectl patch cloud lab --type merge -p '{"status":{"projectID":"x"}}' --subresource status)" Forbidden
  contains "$(refused tester kubectl patch machinetype lab --type merge -p '{"status":{"oses":"x"}}' --subresource status)" Forbidden
  tester_may_no_longer
  # What a manifest says of the status is dropped by the API server itself.
  tester_may_edit
  node other | as_json | jq '.[0] | .spec.paused = true | .status = {phase: "Ready", fqdn: "stolen"}' | tester kubectl create -f - >/dev/null
  lacks "$(the other .status)" stolen
}

test_to_abandon_a_node_wants_a_right_of_its_own() {
  local wish='{"metadata":{"annotations":{"testnode.dev/abandon":"the lab burned down"}}}'
  tester_may_edit
  node mine | tester kubectl apply -f - >/dev/null
  wait_ready mine
  contains "$(refused patches testnode/mine "$wish")" Forbidden 'verb abandon' testnode-admin
  contains "$(node other | as_json | jq --argjson wish "$wish" '.[0] * $wish' | refused tester kubectl create -f -)" 'verb abandon'
  kubectl create rolebinding abandons --clusterrole testnode-admin --user tester -n "$namespace" >/dev/null
  eventually 10 patches testnode/mine "$wish"
  # Taking the wish back is the same wish.
  kubectl delete rolebinding abandons -n "$namespace" >/dev/null
  eventually 10 refused patches testnode/mine '{"metadata":{"annotations":{"testnode.dev/abandon":null}}}'
  patches testnode/mine '{"metadata":{"annotations":{"note":"beside the wish"}}}' >/dev/null
}

test_to_adopt_a_former_machine_wants_a_right_of_its_own() {
  local wish='{"metadata":{"annotations":{"testnode.dev/former-machine":"adopt"}}}'
  tester_may_edit
  node mine | tester kubectl apply -f - >/dev/null
  contains "$(refused patches testnode/mine "$wish")" Forbidden 'verb adopt' testnode-admin
  contains "$(node other | as_json | jq --argjson wish "$wish" '.[0] * $wish' | refused tester kubectl create -f -)" 'verb adopt'
  kubectl create rolebinding adopts --clusterrole testnode-admin --user tester -n "$namespace" >/dev/null
  eventually 10 patches testnode/mine "$wish"
  kubectl delete rolebinding adopts -n "$namespace" >/dev/null
}

test_an_admin_of_the_cluster_still_helps_by_hand() {
  node stuck | apply
  wait_ready stuck
  kubectl patch testnode stuck -n "$namespace" --type merge -p '{"metadata":{"finalizers":null}}' --dry-run=server >/dev/null
  kubectl patch testnode stuck -n "$namespace" --type merge -p '{"status":{"attempts":null}}' --subresource status --dry-run=server >/dev/null
  kubectl annotate testnode stuck -n "$namespace" testnode.dev/abandon=why --dry-run=server >/dev/null
  kubectl patch cloud lab --type merge -p '{"metadata":{"finalizers":null}}' --dry-run=server >/dev/null
  kubectl patch secret lab -n "$SYSTEM" --type merge -p '{"metadata":{"finalizers":null}}' --dry-run=server >/dev/null
}

test_a_namespace_is_deleted_with_its_nodes() {
  node first | apply
  node second 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready first
  wait_ready second
  kubectl delete namespace "$namespace" --timeout=90s >/dev/null
  nothing_left || fail 'something is left although the namespace is gone'
}

test_garbage_collection_takes_a_node_whose_owner_is_gone() {
  local owner
  kubectl create configmap owner -n "$namespace" >/dev/null
  owner=$(kubectl get configmap owner -n "$namespace" -o 'jsonpath={.metadata.uid}')
  node owned | as_json | jq --arg uid "$owner" '.[0]
    | .metadata.ownerReferences = [{apiVersion: "v1", kind: "ConfigMap", name: "owner", $uid}]' | apply
  wait_ready owned
  kubectl delete configmap owner -n "$namespace" >/dev/null
  eventually 90 gone testnode/owned
  nothing_left || fail 'something is left although the node is gone'
}

# no_definition_goes OBJECT: each deletion is refused, and the message names what is there.
no_definition_goes() {
  local plural
  for plural in testnodes testnodepools testnodeclaims testnodeslots machinetypes clouds; do
    contains "$(refused kubectl delete crd "$plural.testnode.dev" --dry-run=server)" Forbidden "there is the $1"
  done
  contains "$(refused kubectl delete crds --all --dry-run=server)" "there is the $1"
}

test_our_definitions_are_not_deleted_while_there_are_objects() {
  local plural
  # The API server reads the parameters of a policy by a watch, which it begins when there is a policy.
  eventually 60 no_definition_goes ''
  contains "$(refused kubectl delete -f "$root/crds" --ignore-not-found)" 'there is the'
  equal 7 "$(kubectl get crds -o json | jq '[.items[] | select(.spec.group == "testnode.dev" and .metadata.deletionTimestamp == null)] | length')" \
    'definitions that stay'
  kubectl delete machinetypes --all >/dev/null
  eventually 20 no_definition_goes 'Cloud lab'
  lab_objects | apply
  kubectl delete clouds --all --timeout=30s >/dev/null
  eventually 20 no_definition_goes 'MachineType lab'
  kubectl delete machinetypes --all >/dev/null
  for plural in clouds machinetypes testnodeslots testnodeclaims testnodepools testnodes; do
    eventually 20 kubectl delete crd "$plural.testnode.dev" --timeout=20s
  done
  stop_operator
  install_release
  lab_objects | apply
  start_operator
  is_told 30 cloud/lab Ready True
}

test_others_definitions_are_their_own_matter() {
  sed 's/testnode[.]dev/example.test/' "$root/crds/machinetypes.testnode.dev.yaml" | as_json |
    jq '.[0] | .metadata.name = "machinetypes.example.test" | .spec.group = "example.test"' | apply
  kubectl delete crd machinetypes.example.test --timeout=20s >/dev/null
}

test_the_policies_can_be_switched_off() {
  helm_to upgrade "$chart" --set policies.enabled=false >/dev/null
  equal '' "$(kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings -o name | grep testnode || true)" 'policies left'
  install_release
  kubectl get validatingadmissionpolicybinding testnode-operator >/dev/null
}
