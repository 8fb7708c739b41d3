# shellcheck shell=bash
# A tester who has testnode-edit in one namespace and nothing else, against everybody else: what docs/security.md promises.
#
# The other one has a machine and a name in a namespace beside it. Each test tries several ways; after each the machine, its
# name, its Secret and its object are as they were.

# tester COMMAND...: has testnode-edit in the namespace of the test.
tester() { "$1" --as tester "${@:2}"; }

# beside_another: the tester has its role, and the other one a node that is Ready.
beside_another() {
  others=$namespace-other
  kubectl create rolebinding tester --clusterrole testnode-edit --user tester -n "$namespace" >/dev/null
  kubectl create namespace "$others" >/dev/null
  kubectl create secret generic first-boot -n "$others" --from-literal=$'script=#!/bin/sh\necho hunter2' >/dev/null
  namespace=$others node theirs 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  namespace=$others wait_ready theirs
  before=$(what_the_other_has)
}

# what_the_other_has: server, volume, port, name and object, but for what a look at it changes.
what_the_other_has() {
  cloud_has "[(.servers[] | select(.metadata[\"testnode-node\"] == \"$others/theirs\") | [.id, .status, .metadata]),
    (.volumes[] | select(.metadata[\"testnode-node\"] == \"$others/theirs\") | [.id, .status]), .records[\"theirs.$ZONE\"]] | tojson"
  kubectl get testnode theirs -n "$others" -o json | jq -c '[.metadata.uid, .metadata.finalizers, .spec, .status.fqdn, .status.accessIP,
    (.status.conditions[] | select(.type == "Ready").status)]'
}

# unharmed: what the other one has is as it was, and is gone afterwards.
unharmed() {
  equal "$before" "$(what_the_other_has)" 'what the other one has'
  kubectl delete namespace "$others" --timeout=90s >/dev/null
}

test_a_tester_reaches_no_object_of_another_namespace_and_none_of_the_lab() {
  local words
  beside_another
  while read -r words; do
    # shellcheck disable=SC2086 # They are words.
    contains "$(refused tester kubectl $words)" forbidden
  done <<TEXT
get testnodes -n $others
get testnode theirs -n $others
delete testnode theirs -n $others
patch testnode theirs -n $others --type merge -p {"spec":{"paused":true}}
get secret first-boot -n $others
get secrets -n $SYSTEM
get secrets -n $namespace
get configmaps -n $namespace
create secret generic own -n $namespace --from-literal=a=b
get testnodes --all-namespaces
get leases -n kube-system
get machinetypes
get clouds
patch cloud lab --type merge -p {"spec":{"limits":null}}
delete machinetype lab
delete crd testnodes.testnode.dev
delete validatingadmissionpolicy testnode-operator
TEXT
  contains "$(namespace=$others node planted | refused tester kubectl apply -f -)" Forbidden
  unharmed
}

test_a_tester_takes_no_name_that_another_has() {
  beside_another
  at_cloud POST dns "{\"name\": \"gitlab.$ZONE\", \"addresses\": [\"192.0.2.7\"]}" >/dev/null
  node thief 'hostname: theirs' | tester kubectl apply -f - >/dev/null
  node second-thief 'hostname: gitlab' | tester kubectl apply -f - >/dev/null
  is_told 20 testnode/thief Ready False NameConflict
  is_told 20 testnode/second-thief Ready False DNSConflict
  # A name is one label, in the zone of the Cloud.
  contains "$(node outside 'hostname: www.example' | refused tester kubectl apply -f -)" hostname
  contains "$(node outside 'hostname: "*"' | refused tester kubectl apply -f -)" hostname
  tester kubectl delete testnodes thief second-thief -n "$namespace" --timeout=60s >/dev/null
  equal 192.0.2.7 "$(address_of_name gitlab)" "the stranger's record"
  at_cloud POST dns "{\"name\": \"gitlab.$ZONE\", \"addresses\": []}" >/dev/null
  unharmed
}

test_a_tester_brings_no_secret_into_a_machine_and_reads_none_in_a_message() { on_purpose bring_secrets; }

bring_secrets() {
  local ref
  beside_another
  for ref in "{kind: Secret, name: lab, key: clouds.yaml}" "{kind: Secret, name: first-boot, key: script}" \
    '{kind: ConfigMap, name: kube-root-ca.crt, key: ca.crt}'; do
    node curious "userDataRef: $ref" | tester kubectl apply -f - >/dev/null
    is_told 20 testnode/curious Ready False UserDataForbidden
    lacks "$(kubectl get testnode curious -n "$namespace" -o json)$(kubectl get events -n "$namespace" -o json)" \
      hunter2 password: application_credential_secret BEGIN
    tester kubectl delete testnode curious -n "$namespace" --timeout=60s >/dev/null
  done
  # There is no word for a namespace.
  contains "$(node curious "userDataRef: {kind: Secret, name: first-boot, key: script, namespace: $others}" |
    refused tester kubectl create --validate=strict -f -)" namespace
  unharmed
}

test_a_tester_has_only_what_the_machine_type_lets_nodes_have() {
  local spec
  beside_another
  own_machine_type 'del(.spec.overrides) | .spec.limits = {maxVolumes: 1, maxVolumeGiB: 2, maxExpireAfter: "1h"}'
  own_machine_type_for_others
  while read -r spec; do
    MACHINE_TYPE=$namespace node greedy "$spec" | tester kubectl apply -f - >/dev/null
    is_told 20 testnode/greedy Ready False NotAllowed
    holds_nothing greedy
    tester kubectl delete testnode greedy -n "$namespace" --timeout=60s >/dev/null
  done <<'TEXT'
flavor: b2-30
networks: [{name: lab}]
securityGroups: [default]
volumes: [{name: osd, count: 2, sizeGiB: 1}]
volumes: [{name: osd, sizeGiB: 3}]
TEXT
  MACHINE_TYPE=$namespace-closed node greedy | tester kubectl apply -f - >/dev/null
  is_told 20 testnode/greedy Ready False NotAllowed
  # Neither a pause nor a longer time keeps a machine.
  MACHINE_TYPE=$namespace node patient 'expireAfter: 8760h' | tester kubectl apply -f - >/dev/null
  wait_ready patient
  says testnode/patient Ready maxExpireAfter >/dev/null || fail "$(condition testnode/patient Ready)"
  unharmed
}

# own_machine_type_for_others: one that names another namespace only.
own_machine_type_for_others() {
  kubectl get machinetype lab -o json | jq --arg name "$namespace-closed" --arg others "$others" \
    '{apiVersion, kind, metadata: {name: $name}, spec: (.spec | .allowedNamespaces = [$others])}' | apply
}

test_a_tester_neither_forges_nor_removes_what_is_the_operators_own() {
  local patch
  beside_another
  node mine 'volumes: [{name: osd, sizeGiB: 1}]' | tester kubectl apply -f - >/dev/null
  wait_ready mine
  while read -r patch; do
    contains "$(refused tester kubectl patch testnode mine -n "$namespace" --type merge -p "$patch")" Forbidden
  done <<'JSON'
{"metadata":{"finalizers":null}}
{"metadata":{"finalizers":["cloud.testnode.dev/lab","cloud.testnode.dev/other"]}}
{"metadata":{"finalizers":["testnode.dev/x","cloud.testnode.dev/lab"]}}
{"metadata":{"annotations":{"testnode.dev/abandon":"mine"}}}
JSON
  contains "$(refused tester kubectl patch testnode mine -n "$namespace" --subresource status --type merge \
    -p '{"status":{"attempts":null}}')" Forbidden
  # 3,000 forged finalizers, as somebody once tried.
  contains "$(node forged | as_json | jq '.[0] | .metadata.finalizers = [range(3000) | "cloud.testnode.dev/c\(.)"]' |
    refused tester kubectl create -f -)" 'only testnode-operator' 'added cloud.testnode.dev/c0, '
  tester kubectl delete testnode mine -n "$namespace" --timeout=60s >/dev/null
  holds_nothing_of_this_namespace
  unharmed
}

holds_nothing_of_this_namespace() {
  equal 0 "$(cloud_has "[(.servers, .volumes)[] | select(.metadata[\"testnode-node\"] // \"\" | startswith(\"$namespace/\"))] | length")" \
    'machines and volumes of the tester'
}

test_forty_nodes_of_a_tester_do_not_make_another_wait() {
  local name before_them beside_them
  alone
  beside_another
  knob '{"guest_boot": "0s", "server_build": "2s"}'
  before_them=$(seconds_to_ready alone)
  # Each with what costs the most: a filtered port that is tried, and as much user data as is let in.
  own_machine_type '.spec.readiness = [{type: "tcp", port: 9}] | .spec.timeouts = {launch: "5m", boot: "5m"}'
  for name in $(seq 40); do
    MACHINE_TYPE=$namespace node "crowd-$name" "userData: \"#!/bin/sh\\n#$(printf 'x%.0s' {1..20000})\"" | sed 's/^apiVersion/---\n&/'
  done | tester kubectl apply -f - >/dev/null
  eventually 30 crowd_is_there
  beside_them=$(seconds_to_ready beside)
  note "a node of another namespace is Ready after ${before_them} s without them, after ${beside_them} s beside them"
  at_most $((before_them + 10)) "$beside_them" 'seconds to Ready beside forty nodes'
  tester kubectl delete testnodes --all -n "$namespace" --timeout=180s >/dev/null
  holds_nothing_of_this_namespace
  unharmed
}

crowd_is_there() { (($(kubectl get testnodes -n "$namespace" -o json | jq '[.items[] | select(.status.phase)] | length') == 40)); }

# seconds_to_ready NAME: of a node of the other one.
seconds_to_ready() {
  local started=$SECONDS
  namespace=$others node "$1" | apply
  namespace=$others wait_ready "$1" 120
  echo $((SECONDS - started))
}
