# shellcheck shell=bash
# What nodes cost on a real OpenStack: requests, writes and time.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'
FLEET=40

# Others may use this machine, so the cloud is asked before and after each round: it is as slow as it was in between. And in one
# of five rounds something else may take a second or two. kubectl itself takes a tenth of a second to start, twice.
test_a_node_comes_within_2_seconds_of_what_the_cloud_needs_and_goes_in_twice_that_four_of_five_times() {
  local round begun took went before after late=0 lingering=0
  alone
  node warm "$OSD" | apply
  wait_ready warm
  for round in 1 2 3 4 5; do
    read -ra before <<<"$(cloud_needs)"
    begun=${EPOCHREALTIME/./}
    node "prompt$round" "$OSD" | apply
    wait_ready "prompt$round"
    took=$(((${EPOCHREALTIME/./} - begun) / 1000))
    begun=${EPOCHREALTIME/./}
    kubectl delete testnode "prompt$round" -n "$namespace" --timeout=60s >/dev/null
    went=$(((${EPOCHREALTIME/./} - begun) / 1000))
    read -ra after <<<"$(cloud_needs)"
    note "Ready after $took ms, of which the cloud needs ${before[0]} to ${after[0]};" \
      "gone after $went ms, of which it needs ${before[1]} to ${after[1]}"
    ((took <= $(larger "${before[0]}" "${after[0]}") + 2000 + 300)) || late=$((late + 1))
    ((went <= 2 * $(larger "${before[1]}" "${after[1]}") + 300)) || lingering=$((lingering + 1))
  done
  at_most 1 "$late" 'of five rounds in which a node came late'
  at_most 1 "$lingering" 'of five rounds in which a node went late'
}

larger() { printf '%d\n' "$(($1 > $2 ? $1 : $2))"; }

# ready_after COUNT: seconds until so many nodes were Ready, from the first object on.
ready_after() {
  kubectl get testnodes -n "$namespace" -o json | jq --argjson count "$1" '
    [.items[] | .metadata.creationTimestamp | fromdate] as $made
    | [.items[].status.conditions[] | select(.type == "Ready").lastTransitionTime | fromdate] | sort | .[$count - 1] - ($made | min)'
}

# fleet: the manifests of all nodes.
fleet() {
  local number
  for ((number = 1; number <= FLEET; number++)); do
    printf -- '---\n'
    node "many$number" "$OSD"
  done
}

test_a_first_life_costs_at_most_24_calls_and_a_later_one_16() {
  # While a cloud is slow it is asked more often.
  alone
  stop_operator
  forget_requests
  start_operator
  one_life first 24
  forget_requests
  one_life later 16
}

# one_life NAME LIMIT: where the cloud is so slow that it takes longer than 10 s, each 2 s more may cost one more look.
one_life() {
  local calls writes late
  late=$((SECONDS + 10))
  node "$1" "$OSD" | apply
  wait_ready "$1"
  kubectl delete testnode "$1" -n "$namespace" --timeout=60s >/dev/null
  late=$((SECONDS > late ? (SECONDS - late + 1) / 2 : 0))
  calls=$(cloud_calls)
  writes=$(kubernetes_writes "$1")
  note "$1: $calls cloud calls, $writes Kubernetes writes"
  at_most $(($2 + late)) "$calls" "cloud calls of the $1 life, $(at_cloud GET requests)"
  at_most 12 "$writes" "Kubernetes writes of the $1 life"
}

test_forty_at_once_cost_at_most_10_calls_each() {
  local begun=$SECONDS up down writes needed lasted
  alone
  node before "$OSD" | apply
  wait_ready before
  kubectl delete testnode before -n "$namespace" --timeout=60s >/dev/null
  forget_requests
  begun=$SECONDS
  fleet | apply
  kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout=300s >/dev/null
  up=$(cloud_calls)
  lasted=$((SECONDS - begun))
  note "the first Ready after $(ready_after 1) s, half of them after $(ready_after $((FLEET / 2))) s"
  note "all $FLEET Ready after $lasted s and $up cloud calls"
  note "servers at once: $(kubectl get cloud lab -o json | jq -r '.status.concurrentCreates | "\(.value), \(.why)"')"
  begun=$SECONDS
  kubectl delete testnodes --all -n "$namespace" --timeout=300s >/dev/null
  nothing_left || fail 'something is left although the nodes are gone'
  down=$(($(cloud_calls) - up))
  note "all gone after $((SECONDS - begun)) s and $down cloud calls"
  note "$(((up + down) * 10 / FLEET))/10 cloud calls each: $(at_cloud GET requests | jq -r 'sort_by(-.count)[]
    | "\(.count) \(.service) \(.template) \(.status)"')"
  at_most $((10 * FLEET)) $((up + down)) 'cloud calls of them all'
  writes=$(for ((needed = 1; needed <= FLEET; needed++)); do kubernetes_writes "many$needed"; done | sort -n | tail -n 1)
  note "at most $writes Kubernetes writes for one"
  # Where a life takes more than a minute and a half, each further step that lasts is told too.
  lasted=$((lasted + SECONDS - begun - 90))
  at_most $((12 + (lasted > 0 ? lasted / 10 : 0))) "$writes" 'Kubernetes writes of one node'
}

test_at_rest_a_cloud_costs_at_most_4_calls_a_minute() {
  node resting1 "$OSD" | apply
  node resting2 "$OSD" | apply
  kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout=60s >/dev/null
  # What had to be looked at once more after the last change is over by then.
  rest 30
  forget_requests
  rest 90
  note "in one and a half minutes: $(at_cloud GET requests | jq -r '.[] | "\(.count) \(.service) \(.template) \(.status)"')"
  at_most 6 "$(cloud_calls)" 'cloud calls in one and a half minutes'
}

# rest SECONDS: it is time itself that is measured here.
rest() { sleep "$1"; }
