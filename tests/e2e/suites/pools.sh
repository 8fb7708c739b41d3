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
  contains "$(claim job 0 | refused kubectl apply -f -)" count
  contains "$(claim job 1 'lease: {duration: 10s}' | refused kubectl apply -f -)" '30s'
  claim job 1 'released: [a]' | apply
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"released":[]}}')" 'cannot be had back'
  contains "$(refused kubectl patch tnc job -n "$namespace" --type merge -p '{"spec":{"count":2}}')" 'count cannot change'
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
