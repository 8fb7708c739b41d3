# shellcheck shell=bash
# What docs/restore.md says: a restore gives a node a new UID, and its machine bears the old one.

# lose NODE...: each object is gone at once, as when etcd is lost; the backup has it.
lose() {
  local name
  stop_operator
  for name; do
    kubectl get testnode "$name" -n "$namespace" -o json >"$work/backup-$namespace-$name.json"
    kubectl patch testnode "$name" -n "$namespace" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
    kubectl delete testnode "$name" -n "$namespace" --timeout=20s >/dev/null
  done
}

# restore NODE...: as Velero does, with finalizers and without a status.
restore() {
  local name
  for name; do
    jq '{apiVersion, kind, spec, metadata: (.metadata | {name, namespace, finalizers, annotations, labels})}' \
      "$work/backup-$namespace-$name.json" | kubectl create -f - >/dev/null
  done
}

# restore_status NODE: as Velero does with --status-include-resources, under a field manager of its own.
restore_status() {
  kubectl patch testnode "$1" -n "$namespace" --subresource status --type merge --field-manager velero \
    -p "$(jq '{status}' "$work/backup-$namespace-$1.json")" >/dev/null
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
  lose lost
  restore lost
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
  lose lost
  restore lost
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
  local names before name
  mapfile -t names < <(printf 'many%02d\n' {1..30})
  for name in "${names[@]}"; do node "$name"; echo ---; done | apply
  for name in "${names[@]}"; do wait_ready "$name" 180; done
  before=$(for name in "${names[@]}"; do things_of "$name"; done)
  lose "${names[@]}"
  restore "${names[@]}"
  start_operator
  for name in "${names[@]}"; do is_told 60 "testnode/$name" Ready False FormerMachineFound; done
  equal "$before" "$(for name in "${names[@]}"; do things_of "$name"; done)" 'what is there while they wait'
  kubectl annotate cloud lab testnode.dev/former-machine=adopt >/dev/null
  sleep 1
  kill_operator
  start_operator
  for name in "${names[@]}"; do wait_ready "$name" 120; done
  kubectl annotate cloud lab testnode.dev/former-machine- >/dev/null
  equal "$before" "$(for name in "${names[@]}"; do things_of "$name"; done)" 'what is there after the adoption'
  for name in "${names[@]}"; do equal "$(uid_of "$name")" "$(servers_of "$name" | jq -r '.[].metadata["testnode-uid"]')" "$name"; done
}
