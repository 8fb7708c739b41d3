# shellcheck shell=bash
# What docs/restore.md says: a restore gives a node a new UID, and its machine bears the old one.

# lose: each node is gone at once, as when etcd is lost; the backup has it.
lose() {
  stop_operator
  kubectl get testnodes -n "$namespace" -o json >"$work/backup.json"
  jq '.items[].metadata.finalizers = []' "$work/backup.json" | kubectl replace -f - >/dev/null
  kubectl delete testnodes --all -n "$namespace" --timeout=20s >/dev/null
}

# restore: as Velero does, with finalizers and without a status.
restore() {
  jq '.items[] |= {apiVersion, kind, spec, metadata: (.metadata | {name, namespace, finalizers, annotations, labels})}' \
    "$work/backup.json" | kubectl create -f - >/dev/null
}

# restore_status NODE: as Velero does with --status-include-resources, under a field manager of its own.
restore_status() {
  kubectl patch testnode "$1" -n "$namespace" --subresource status --type merge --field-manager velero \
    -p "$(jq '.items[0] | {status}' "$work/backup.json")" >/dev/null
}

# things_of NODE: the ids of its server and its volumes, as the cloud has them.
things_of() { { servers_of "$1" && volumes_of "$1"; } | jq -r '.[].id' | sort; }

adopts() { kubectl annotate testnode "$1" -n "$namespace" testnode.dev/former-machine=adopt >/dev/null; }

# is_marked NODE: every mark bears the UID that the node has now.
is_marked() {
  local uid
  uid=$(uid_of "$1")
  equal "$uid" "$(servers_of "$1" | jq -r '.[].metadata["testnode-uid"]')" 'the UID of the server'
  equal "$uid" "$(volumes_of "$1" | jq -r '.[].metadata["testnode-uid"]' | sort -u)" 'the UID of the volumes'
  equal 1 "$(ports_of "$1" | jq length)" 'ports with the new UID'
}

test_a_restored_node_names_its_former_machine_and_adopts_it_whole() {
  local before record
  node lost 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready lost
  before=$(things_of lost) record=$(address_of_name lost)
  lose
  restore
  start_operator
  is_told 40 testnode/lost Ready False FormerMachineFound '=adopt' '=leave'
  sleep 5
  equal "$before" "$(things_of lost)" 'what is there while nobody has said what to do'
  adopts lost
  wait_ready lost
  equal "$before" "$(things_of lost)" 'what is there after the adoption'
  equal "$record" "$(address_of_name lost)" 'the name'
  is_marked lost
  kubectl delete testnode lost -n "$namespace" --timeout=180s >/dev/null
}

test_a_status_of_another_uid_is_emptied_whoever_wrote_it() {
  local before
  node lost 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready lost
  before=$(things_of lost)
  lose
  restore
  restore_status lost
  start_operator
  is_told 40 testnode/lost Ready False FormerMachineFound
  equal "$(uid_of lost)" "$(the lost .status.uid)" 'whom the status speaks of'
  equal '' "$(the lost .status.attempts)$(the lost .status.server)$(the lost .status.dns)$(the lost .status.fqdn)" 'what it says'
  adopts lost
  wait_ready lost
  equal "$before" "$(things_of lost)" 'what is there after the adoption'
}

test_thirty_nodes_are_restored_and_a_word_on_the_cloud_adopts_them_all() {
  local number before
  for number in {1..30}; do node "many$number" && echo ---; done | apply
  all_are_ready 180
  before=$(all_servers)
  equal 30 "$(wc -l <<<"$before")" servers
  lose
  restore
  start_operator
  eventually 60 all_have_found_their_former_machine
  equal "$before" "$(all_servers)" 'what is there while they wait'
  kubectl annotate cloud lab testnode.dev/former-machine=adopt >/dev/null
  sleep 1
  kill_operator
  start_operator
  all_are_ready 240
  kubectl annotate cloud lab testnode.dev/former-machine- >/dev/null
  equal "$before" "$(all_servers)" 'what is there after the adoption'
  equal "$(kubectl get testnodes -n "$namespace" -o json | jq -r '.items[].metadata | "\(.namespace)/\(.name) \(.uid)"' | sort)" \
    "$(cloud_has '.servers[] | select(.status != "DELETED").metadata | "\(.["testnode-node"]) \(.["testnode-uid"])"' | sort)" \
    'the node and the UID that each server bears'
}

all_are_ready() { kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout="$1s" >/dev/null; }

all_servers() { cloud_has '.servers[] | select(.status != "DELETED").id' | sort; }

all_have_found_their_former_machine() {
  kubectl get testnodes -n "$namespace" -o json |
    jq -e '(.items | length) == 30 and all(.items[]; any(.status.conditions[]?; .type == "Ready" and .reason == "FormerMachineFound"))'
}
