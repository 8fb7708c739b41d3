# shellcheck shell=bash
# Nodes that come from Git: what is applied again changes nothing, and Flux and Argo CD judge each stage of a life rightly.

# folder: examples/gitops, but for names and addresses, which are this run's. Its Secret is the lab's.
folder() {
  kubectl kustomize "$root/examples/gitops" | as_json | jq --arg namespace "$namespace" --arg cloud "$(cloud_name)" \
    --arg zone "$ZONE" --arg dns "$dns_server" --arg nsupdate "$nsupdate_url" '
    .[] | select(.kind != "Namespace")
    | if .kind == "TestNode" then .metadata.namespace = $namespace else . end
    | if .kind == "Cloud" then .spec.openstack = {secretRef: {name: "lab"}, cloudName: $cloud}
        | .spec.dns |= (. + {zone: $zone, verify: {server: $dns}}) | .spec.dns.nsupdateWeb |= {url: $nsupdate} else . end'
}

versions() {
  kubectl get testnodes,machinetypes,clouds -n "$namespace" -o json |
    jq -c '[.items[] | {"\(.kind)/\(.metadata.name)": .metadata.resourceVersion}]'
}

# settles ARGUMENT...: applied with these arguments the folder becomes Ready; applied again it changes nothing.
settles() {
  local before
  folder >"$work/gitops.json"
  kubectl apply "$@" -f "$work/gitops.json" >/dev/null
  kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout=60s >/dev/null
  is_told 20 machinetype/smithi Ready True
  is_told 20 cloud/gra Ready True
  before=$(versions)
  kubectl apply "$@" -f "$work/gitops.json" >/dev/null
  equal "$before" "$(versions)" 'what a second apply changes'
  kubectl diff "$@" -f "$work/gitops.json" >"$work/diff" || fail "the cluster is not as in Git: $(<"$work/diff")"
}

test_the_folder_becomes_ready_and_settles_when_a_server_applies_it() { settles --server-side; }

test_the_folder_becomes_ready_and_settles_when_a_client_applies_it() { settles; }

# judged KIND/NAME FLUX ARGO: as Flux, by kstatus, and Argo CD, by our script, see the object.
judged() {
  local object flux argo
  object=$(kubectl get "$1" -n "$namespace" -o json)
  flux=$(kstatus <<<"$object")
  argo=$(argo-health "$root/examples/gitops/argo-cd-health.lua" <<<"$object")
  printf 'Flux: %s\nArgo CD: %s\n' "$flux" "$argo"
  [[ $flux == "$2 "* && $argo == "$3 "* ]]
}

test_each_stage_of_a_life_is_judged_rightly() {
  stop_operator
  knob '{"guest_boot": "10s"}'
  node staged 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  # Nobody has looked at it yet.
  eventually 0 judged testnode/staged InProgress Progressing
  start_operator
  is_told 20 testnode/staged ServerReady True
  eventually 0 judged testnode/staged InProgress Progressing
  wait_ready staged
  eventually 0 judged testnode/staged Current Healthy
  kubectl patch testnode staged -n "$namespace" --type merge -p '{"spec":{"paused":true}}' >/dev/null
  eventually 20 judged testnode/staged Current Suspended
  kubectl patch testnode staged -n "$namespace" --type merge -p '{"spec":{"paused":false}}' >/dev/null
  eventually 20 judged testnode/staged Current Healthy
  # Somebody takes the machine away.
  at_cloud POST behind "{\"remove-server\": \"$(the staged .status.server.id)\"}" >/dev/null
  eventually 40 judged testnode/staged Failed Degraded
  at_cloud POST faults '{"service": "neutron", "path": "^DELETE /ports/", "times": 1,
    "effect": {"kind": "slow", "by": "4s", "when": "before"}}' >/dev/null
  kubectl delete testnode staged -n "$namespace" --wait=false >/dev/null
  eventually 0 judged testnode/staged Terminating Progressing
}

test_a_node_that_cannot_be_made_is_failed_and_one_that_waits_for_room_is_not() {
  MACHINE_TYPE=nosuch node lost | apply
  eventually 20 judged testnode/lost Failed Degraded
  credentials "$namespace" | apply
  own_cloud '.spec.limits = {maxNodes: 1}'
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node first | apply
  wait_ready first
  MACHINE_TYPE=$namespace node second | apply
  is_told 20 testnode/second Ready False QuotaExceeded
  eventually 0 judged testnode/second InProgress Progressing
}

test_what_nodes_are_made_of_is_judged_too() {
  eventually 20 judged cloud/lab Current Healthy
  eventually 20 judged machinetype/lab Current Healthy
  # In a sync it comes before its Secret, as a rule: that is no failure.
  own_cloud
  is_told 20 "cloud/$namespace" Ready False
  eventually 0 judged "cloud/$namespace" InProgress Progressing
}

# as_if_absent PLURAL COMMAND...: what the API server says of an object of that kind without an optional field, it says
# of one where the field is null, and of one where it is an empty string.
as_if_absent() {
  local plural=$1 count all
  shift
  kubectl get crd "$plural.testnode.dev" -o json | jq -f "$here/lib/empty.jq" >"$work/empty.json"
  "$@" --dry-run=server -n "$namespace" -f "$work/empty.json" -o name >"$work/taken" 2>"$work/refused" || true
  equal '' "$(jq -rs --rawfile taken "$work/taken" '
    ($taken | split("\n") | map(sub(".*/"; ""))) as $taken
    | map({field: (.metadata.name | sub("-.*"; "")), way: (.metadata.name | sub(".*-"; "")), path: .metadata.annotations.path,
        taken: (.metadata.name | IN($taken[]))})
    | group_by(.field)[]
    | (.[] | select(.way == "absent").taken) as $absent
    | .[] | select(.taken != $absent) | "\(.path) that is \(.way): taken is \(.taken)"' "$work/empty.json")" \
    "$plural, $*: fields that are not as if absent; $(<"$work/refused")"
  count=$(grep -c -e '-absent$' "$work/taken")
  all=$(jq -rs 'map(select(.metadata.name | endswith("-absent"))) | length' "$work/empty.json")
  ((2 * count > all)) || fail "only $count of $all fields of $plural could be tried: $(<"$work/refused")"
  note "$plural, $*: $count of $all fields"
}

test_an_optional_field_that_is_null_or_empty_is_absent_to_the_api_server() {
  local plural
  for plural in testnodes testnodepools testnodeclaims testnodeslots machinetypes clouds; do
    as_if_absent "$plural" kubectl create
    as_if_absent "$plural" kubectl apply --server-side
  done
}

# applied_by SERVER_OR_CLIENT
applied_by() {
  case $1 in
    server) kubectl apply --server-side -f "$work/node.yaml" >/dev/null ;;
    client) kubectl apply -f "$work/node.yaml" >/dev/null ;;
  esac
}

test_a_manifest_with_empty_fields_makes_a_node_and_settles() {
  local name before
  for name in server client; do
    node "$name" 'os: null, hostname: "", cloud: "", flavor: "", volumes: null, networks: null, keyName: "", userData: "",
      userDataRef: null, readiness: null, expireAfter: "", onFailure: "", paused: null' >"$work/node.yaml"
    applied_by "$name"
    wait_ready "$name"
    before=$(what_was_asked_of "$name")
    applied_by "$name"
    equal "$before" "$(what_was_asked_of "$name")" "what a second apply by a $name changes"
  done
}

# what_was_asked_of NODE: all but the status, which the operator may write at any moment
what_was_asked_of() {
  kubectl get testnode -n "$namespace" "$1" -o json | jq -S '[.metadata.generation, .metadata.annotations, .spec]'
}
