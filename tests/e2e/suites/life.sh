# shellcheck shell=bash
# A node's life as a tester sees it, from apply to nothing left.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

test_the_examples_become_ready() {
  # As they stand, but for where the cloud is: credentials and addresses are this run's.
  kubectl create --dry-run=client -o json -f "$root/examples/" |
    jq --arg namespace "$namespace" --arg cloud "$(cloud_name)" --arg zone "$ZONE" --arg dns "$dns_server" \
      --arg nsupdate "$nsupdate_url" '
      if .kind == "List" then .items[] else . end | select(.kind != "Secret" and .kind != "Namespace")
      | if .kind | startswith("TestNode") then .metadata.namespace = $namespace else . end
      | if .kind == "Cloud" then .spec.openstack = {secretRef: {name: "lab"}, cloudName: $cloud} else . end
      | if .spec.dns.nsupdateWeb? then .spec.dns |= (. + {zone: $zone, verify: {server: $dns}})
          | .spec.dns.nsupdateWeb |= (del(.secretRef) + {url: $nsupdate}) else . end
      | if .spec.dns.rfc2136? then .spec.dns.zone = $zone
          | .spec.dns.rfc2136 |= (del(.reverseZones) + {server: $dns}) else . end' >"$work/examples.json"
  kubectl create secret generic lab-tsig -n "$SYSTEM" --from-literal=secret="$(tsig_secret)" >/dev/null
  kubectl apply -f "$work/examples.json" >/dev/null
  is_told 60 cloud/lab-rfc2136 DNSReady True "$ZONE"
  kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout=120s >/dev/null
  # Nobody keeps images here.
  kubectl delete machineimages --all --timeout=20s >/dev/null
}

test_a_node_becomes_ready_and_goes_without_a_trace() {
  local address
  node smithi001 "$OSD" | apply
  wait_ready smithi001

  equal 1 "$(servers_of smithi001 | jq length)" servers
  equal ACTIVE "$(servers_of smithi001 | jq -r '.[0].status')" 'the status of the server'
  equal "$(uid_of smithi001)" "$(servers_of smithi001 | jq -r '.[0].metadata["testnode-uid"]')" 'the mark on the server'
  equal 'smithi001-osd-0 smithi001-osd-1' \
    "$(volumes_of smithi001 | jq -r '[.[].name] | sort | join(" ")')" 'the names of the volumes'
  equal in-use "$(volumes_of smithi001 | jq -r '[.[].status] | unique | join(" ")')" 'the status of the volumes'
  equal 1 "$(ports_of smithi001 | jq length)" ports
  address=$(the smithi001 .status.accessIP)
  equal "$address" "$(address_of_name smithi001)" 'what DNS says'

  kubectl delete testnode smithi001 -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
  equal parked "$(address_of_name smithi001)" 'where the name is parked'
}

test_a_node_expires_when_its_time_has_come_and_leaves_nothing() {
  local created
  node brief "$OSD, expireAfter: 8h" | apply
  wait_ready brief
  created=$(seconds "$(the brief .metadata.creationTimestamp)")
  equal 28800 $(($(seconds "$(the brief .status.times.expiresAt)") - created)) 'seconds from creation to expiresAt'
  kubectl patch testnode brief -n "$namespace" --type merge \
    -p "{\"spec\":{\"expireAfter\":\"$(($(date +%s) - created + 10))s\"}}" >/dev/null

  sleep 2
  wait_ready brief
  eventually 60 gone testnode/brief
  nothing_left || fail 'something is left although the node is gone'
  contains "$(kubectl get events -n "$namespace" -o json | jq -r '.items[] | select(.reason == "Expired") | .message')" \
    's after its creation (spec.expireAfter)'
}

# seconds INSTANT: since the epoch.
seconds() { date -d "$1" +%s; }

test_a_node_that_nobody_has_looked_at_says_that_it_waits() {
  stop_operator
  node early | apply
  contains "$(condition testnode/early Ready)" 'Unknown Pending' testnode-operator
  start_operator
  wait_ready early
}

test_get_and_describe_read_well() {
  node legible "$OSD" | apply
  kubectl patch tn legible -n "$namespace" --type merge -p '{"spec": {"owner": "alice", "description": "to be read"}}' >/dev/null
  wait_ready legible
  local short wide described
  short=$(kubectl get tn -n "$namespace")
  matches "${short%%$'\n'*}" '^NAME +TYPE +PHASE +REASON +IP +OWNER +AGE$'
  contains "$short" lab Ready "$(the legible .status.accessIP)" alice
  lacks "$short" '<none>'
  wide=$(kubectl get tn -n "$namespace" -o wide)
  matches "${wide%%$'\n'*}" ' OS +CLOUD +FLAVOR +FQDN +EXPIRES +POOL +CLAIM +AGE +MESSAGE$'
  contains "$wide" ubuntu "legible.$ZONE"
  contains "$(kubectl get tn -n "$namespace" --field-selector spec.owner=alice,status.phase=Ready -o name)" legible
  lacks "$(kubectl get tn -n "$namespace" --field-selector status.phase=Failed -o name)" legible
  described=$(kubectl describe tn legible -n "$namespace")
  contains "$described" Events: testnode-operator Normal
  lacks "$described" Warning
}

test_the_status_says_what_there_is() {
  node known "$OSD" | apply
  wait_ready known
  local path
  for path in .status.cloud .status.resolved.flavor .status.resolved.image .status.server.id .status.accessIP \
    .status.addresses[0].address .status.volumes[0].id .status.ports[0].id .status.dns.name \
    .status.ssh.hostKeys[0] .status.times.serverActiveAt .status.times.readyAt; do
    [[ -n $(the known "$path") ]] || fail "$path is empty in"$'\n'"$(the known .status | jq .)"
  done
  equal "known.$ZONE" "$(the known .status.fqdn)" .status.fqdn
  equal "$(the known .metadata.generation)" "$(the known .status.observedGeneration)" .status.observedGeneration
  equal "$(servers_of known | jq -r '.[0].id')" "$(the known .status.server.id)" .status.server.id
  contains "$(the known .status.ssh.hostKeys)" "known.$ZONE" "$(the known .status.accessIP)" ssh-ed25519
  equal '' "$(condition testnode/known Stalled)$(condition testnode/known Reconciling)" 'conditions of a node at rest'
}

test_cloud_and_machine_type_say_how_they_are() {
  is_told 20 cloud/lab Ready True
  is_told 20 machinetype/lab Ready True
  local shown
  shown=$(kubectl get clouds)
  matches "${shown%%$'\n'*}" '^NAME +READY +REASON +NODES +LIMIT .*AGE$'
  shown=$(kubectl get mt)
  matches "${shown%%$'\n'*}" '^NAME +READY +REASON +CLOUDS +AGE$'
}

test_each_kind_goes_by_its_own_names_only() {
  # kubectl takes `testnode smithi001` for a category of that name, if there is one, and then finds several kinds.
  local names
  names=$(kubectl get crds -o json | jq -c '[.items[].spec | select(.group == "testnode.dev").names]')
  equal '[]' "$(jq -c '([.[].categories // [] | .[]] | unique) as $categories
    | [.[] | .singular, .plural, .shortNames[]?] | map(select(IN($categories[])))' <<<"$names")" \
    'names of a kind that are a category too'
}

test_explain_tells_about_every_field() {
  local kind
  contains "$(kubectl explain testnode.spec.volumes)" name count sizeGiB type
  for kind in testnode machinetype cloud; do
    lacks "$(kubectl explain "$kind" --recursive)" 'Auto-generated'
    # A field without a sentence of its own shows as an empty description.
    lacks "$(kubectl explain "$kind.spec")" '<no description>'
    lacks "$(kubectl explain "$kind.status")" '<no description>'
  done
}

test_a_guest_that_is_not_up_yet_is_waited_for() {
  knob '{"guest_boot": "10s"}'
  node sleepy | apply
  is_told 20 testnode/sleepy ServerReady True
  contains "$(condition testnode/sleepy Booted)" False
  contains "$(condition testnode/sleepy Ready)" False
  wait_ready sleepy
  contains "$(condition testnode/sleepy Booted)" True
}

test_an_application_credential_logs_in() {
  credentials "$namespace" | apply
  own_cloud '.spec.openstack.cloudName += "-app"'
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node entrusted | apply
  wait_ready entrusted
}

test_applying_again_changes_nothing() {
  node again "$OSD" | kubectl apply --server-side -f - >/dev/null
  wait_ready again
  local before
  before=$(the again '.metadata.resourceVersion')
  node again "$OSD" | kubectl apply --server-side -f - >/dev/null
  equal "$before" "$(the again '.metadata.resourceVersion')" 'the resource version after a second apply'
}

test_an_edit_that_cannot_be_followed_is_refused_with_its_cure() {
  node fixed "$OSD" | apply
  wait_ready fixed
  local patch field said
  for patch in '{"spec":{"hostname":"other"}}' '{"spec":{"machineType":"other"}}' '{"spec":{"flavor":"other"}}' \
    '{"spec":{"volumes":[{"name":"osd","count":3,"sizeGiB":1}]}}'; do
    field=$(jq -r '.spec | keys[0]' <<<"$patch")
    said=$(refused kubectl patch testnode fixed -n "$namespace" --type merge --patch "$patch")
    contains "$said" "$field"
    matches "$said" '[Dd]elete'
  done
  contains "$(condition testnode/fixed Ready)" True
}
