# shellcheck shell=bash
# Pools and claims on the real API server: a warm pool, a claim by kubectl alone, release, and what the rights and rules refuse.

# tester COMMAND...: has testnode-claim in the namespace of the test.
tester() { "$1" --as tester "${@:2}"; }

# pool MIN MAX [MORE]: the pool "warm", as JSON.
pool() {
  thing_in_namespace TestNodePool warm "{minReady: $1, max: $2, template: {machineType: lab}${3:+, $3}}"
}

# claim NAME COUNT [MORE]
claim() { thing_in_namespace TestNodeClaim "$1" "{pool: {name: warm}, count: $2${3:+, $3}}"; }

thing_in_namespace() {
  printf 'apiVersion: testnode.dev/v1alpha1\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: %s\n' "$1" "$2" "$namespace" "$3"
}

# of_pool JQ: of the pool's status.
of_pool() { kubectl get testnodepool warm -n "$namespace" -o json | jq -r ".status$1"; }

pool_has() { equal "$1" "$(of_pool .ready)" 'idle nodes that are Ready'; }

nodes() { kubectl get testnodes -n "$namespace" -o json | jq -r '[.items[].metadata.name] | join(" ")'; }

nodes_are() { equal "$1" "$(nodes)" nodes; }

test_a_pool_is_filled_and_a_claim_is_served_and_released_by_kubectl_alone() {
  local began listed
  kubectl create rolebinding tester --clusterrole testnode-claim --user tester -n "$namespace" >/dev/null
  pool 2 4 | apply
  kubectl wait --for=condition=Filled testnodepool/warm -n "$namespace" --timeout=90s >/dev/null
  nodes_are 'warm001 warm002'

  began=$(date +%s%N)
  claim job-17 2 'owner: alice, lease: {duration: 10m}' | tester kubectl create -f - >/dev/null
  tester kubectl wait --for=condition=Ready tnc/job-17 -n "$namespace" --timeout=30s >/dev/null
  note "a warm claim of two, from create to Ready: $((($(date +%s%N) - began) / 1000000)) ms, kubectl included"
  listed=$(tester kubectl get tnc job-17 -n "$namespace" -o json)
  equal 'warm001 warm002' "$(jq -r '[.status.nodes[].name] | join(" ")' <<<"$listed")" 'nodes of the claim'
  equal "$(the warm001 .status.accessIP) warm001.$ZONE" "$(jq -r '.status.nodes[0] | "\(.address) \(.fqdn)"' <<<"$listed")" 'what is said of one'
  equal alice "$(the warm001 .spec.owner)" 'whose it is'
  contains "$(tester kubectl describe tnc job-17 -n "$namespace")" Bound
  tester kubectl patch tnc job-17 -n "$namespace" --type merge \
    -p "{\"spec\":{\"lease\":{\"renewTime\":\"$(date -u +%FT%TZ)\"}}}" >/dev/null
  eventually 90 pool_has 2
  nodes_are 'warm001 warm002 warm003 warm004'

  tester kubectl delete tnc job-17 -n "$namespace" --timeout=20s >/dev/null
  kubectl wait --for=delete testnode --field-selector spec.claimRef.name=job-17 -n "$namespace" --timeout=90s >/dev/null
  eventually 90 pool_has 2
  kubectl delete testnodepool warm -n "$namespace" --timeout=20s >/dev/null
  eventually 90 nodes_are ''
  nothing_left || fail 'something is left although the pool is gone'
}

test_a_claim_that_waits_says_its_place_and_a_pool_on_demand_makes_what_it_waits_for() {
  pool 0 2 | apply
  kubectl wait --for=condition=Ready testnodepool/warm -n "$namespace" --timeout=30s >/dev/null
  claim first 2 | apply
  claim large 3 | apply
  is_told 30 testnodeclaim/large Ready False LargerThanPool
  kubectl wait --for=condition=Ready tnc/first -n "$namespace" --timeout=90s >/dev/null
  claim second 1 | apply
  is_told 30 testnodeclaim/second Ready False Queued '1 of 1'
  kubectl delete tnc first -n "$namespace" --timeout=20s >/dev/null
  kubectl wait --for=condition=Ready tnc/second -n "$namespace" --timeout=120s >/dev/null
}

# mark NAME SPEC: says something of a slot of the pool.
mark() { thing_in_namespace TestNodeSlot "$1" "{pool: warm, $2}"; }

is_gone() { ! kubectl get "$1" -n "$namespace" >/dev/null 2>&1; }

ended_with() { equal "$2" "$(kubectl get tnc "$1" -n "$namespace" -o json | jq -r .status.ended.reason)" "how $1 ended"; }

test_a_machine_that_is_down_goes_to_whoever_names_it_and_is_held_for_a_look() {
  local before
  pool 1 3 | apply
  eventually 90 pool_has 1
  mark warm001 'down: true, description: a disk fails' | apply
  eventually 90 the warm002 .metadata.name
  eventually 90 pool_has 1
  before=$(the warm001 .metadata.uid)
  thing_in_namespace TestNodeClaim look '{pool: {name: warm}, nodes: [warm001], owner: alice}' | apply
  kubectl wait --for=condition=Ready tnc/look -n "$namespace" --timeout=30s >/dev/null
  thing_in_namespace TestNodeClaim late '{pool: {name: warm}, nodes: [warm001]}' | apply
  eventually 20 ended_with late NodeNotFree
  contains "$(kubectl get tnc late -n "$namespace" -o json | jq -r .status.ended.message)" "claimed by TestNodeClaim $namespace/look (alice)"
  kubectl delete tnc look -n "$namespace" --timeout=20s >/dev/null
  is_told 60 testnode/warm001 Ready True Ready 'TestNodeSlot warm001 says that it is down'
  equal "$before" "$(the warm001 .metadata.uid)" 'the machine that is held'
  kubectl delete tns warm001 -n "$namespace" >/dev/null
  eventually 90 is_gone testnode/warm001
}

its_output_is_written_once_the_chart_lets_it() {
  claim job 1 'duration: 1h, output: {configMap: job-nodes}' | apply
  kubectl wait --for=condition=Ready tnc/job -n "$namespace" --timeout=30s >/dev/null
  is_told 30 testnodeclaim/job Output False OutputForbidden outputNamespaces
  helm_to upgrade "$chart" --set "outputNamespaces={$namespace}" >/dev/null
  eventually 90 kubectl get configmap job-nodes -n "$namespace" -o name
}

test_a_claim_is_held_and_its_nodes_are_written_where_the_chart_lets_them() {
  pool 1 2 | apply
  eventually 90 pool_has 1
  on_purpose its_output_is_written_once_the_chart_lets_it
  contains "$(kubectl get configmap job-nodes -n "$namespace" -o json | jq -r '.data["targets.yaml"]')" "warm001.$ZONE"
  contains "$(kubectl testnode targets claim/job -n "$namespace")" "warm001.$ZONE"
  kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"hold":{"until":"2099-01-01T00:00:00Z","reason":"a look"}}}' >/dev/null
  is_told 30 testnodeclaim/job Held True ClaimHeld 'claims.maxHold'
  kubectl delete tnc job -n "$namespace" --timeout=20s >/dev/null
  eventually 60 is_gone configmap/job-nodes
}

test_no_program_takes_what_is_kept_for_people() {
  pool 1 2 'claims: {reserve: 1}' | apply
  kubectl create rolebinding ci --clusterrole testnode-claim --serviceaccount "$namespace:default" -n "$namespace" >/dev/null
  contains "$(claim robot 1 'interactive: true' |
    refused kubectl create --as "system:serviceaccount:$namespace:default" -f -)" Forbidden 'people who wait'
  claim robot 1 | kubectl create --as "system:serviceaccount:$namespace:default" -f - >/dev/null
  claim robots 2 | apply
  is_told 30 testnodeclaim/robots Ready False LargerThanPool reserve
  claim person 2 'interactive: true' | apply
  contains "$(pool 1 2 'claims: {reserve: 2}' | refused kubectl apply -f -)" 'claims.reserve is less than max'
}

test_a_pool_is_scaled_by_kubectl_within_its_bounds() {
  pool 1 2 | apply
  eventually 90 pool_has 1
  kubectl scale testnodepool warm -n "$namespace" --replicas 2 >/dev/null
  eventually 90 pool_has 2
  contains "$(refused kubectl scale testnodepool warm -n "$namespace" --replicas 3)" 'minReady is at most max'
}

test_whose_a_node_is_nobody_but_the_operator_says() {
  kubectl create rolebinding tester --clusterrole testnode-edit --user tester -n "$namespace" >/dev/null
  pool 1 2 | apply
  eventually 90 pool_has 1
  contains "$(refused tester kubectl patch testnode warm001 -n "$namespace" --type merge \
    -p "{\"spec\":{\"claimRef\":{\"namespace\":\"$namespace\",\"name\":\"a\",\"uid\":\"u\"}}}")" Forbidden 'make a TestNodeClaim'
  contains "$(node mine 'poolRef: {name: warm, uid: u}' | refused tester kubectl create -f -)" 'make a TestNodeClaim'
  claim job 1 | apply
  kubectl wait --for=condition=Ready tnc/job -n "$namespace" --timeout=30s >/dev/null
  # The definition itself refuses it to whoever may do everything.
  contains "$(refused kubectl patch testnode warm001 -n "$namespace" --type merge -p '{"spec":{"claimRef":null}}')" \
    'a node serves one claim, then goes'
  contains "$(refused kubectl patch testnode warm001 -n "$namespace" --type merge \
    -p '{"spec":{"claimRef":{"name":"thief"}}}')" 'a node serves one claim, then goes'
}

test_what_a_pool_and_a_claim_cannot_be_is_refused() {
  contains "$(pool 3 2 | refused kubectl apply -f -)" 'minReady is at most max'
  contains "$(pool 1 2 'namePrefix: Smithi' | refused kubectl apply -f -)" namePrefix
  contains "$(pool 1 2 'claims: {duration: 25h}' | refused kubectl apply -f -)" 'claims.duration is at most claims.maxDuration'
  contains "$(thing_in_namespace TestNodePool warm '{max: 2, template: {machineType: lab, hostname: own}}' | refused kubectl apply -f -)" 'unknown field' hostname
  contains "$(claim job 1 'nodes: [warm001]' | refused kubectl apply -f -)" 'not both'
  contains "$(claim job 0 | refused kubectl apply -f -)" count
  contains "$(claim job 1 'lease: {duration: 10s}' | refused kubectl apply -f -)" '30s'
  claim job 1 'released: [a]' | apply
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"released":[]}}')" 'cannot be had back'
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"count":2}}')" 'count cannot change'
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"interactive":true}}')" 'interactive cannot change'
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"output":{"configMap":"a"}}}')" 'output cannot change'
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"pool":{"name":"other"}}}')" 'pool cannot change'
}

test_explain_and_get_read_well() {
  local shown
  contains "$(kubectl explain testnodepool.spec.template.volumes)" 'from its birth'
  contains "$(kubectl explain testnodeclaim.spec.lease)" renewTime
  pool 1 2 | apply
  eventually 90 pool_has 1
  matches "$(kubectl get tnp -n "$namespace" --no-headers)" '^warm +lab +1 +1 +0 +2 +0 +Serving '
  shown=$(kubectl get tnp -n "$namespace")
  matches "${shown%%$'\n'*}" '^NAME +TYPE +READY +MIN +CLAIMED +MAX +QUEUED +REASON +AGE$'
}
