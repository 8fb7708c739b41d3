# shellcheck shell=bash
# A quota that is full: nodes wait holding nothing, say how much there is, and come as soon as there is more.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'
BIG="flavor: b2-7, $OSD"

# waits_and_comes SERVICE FULL MORE FIGURES: a second node finds it full, waits with the figures, and comes when there is more.
waits_and_comes() {
  local service=$1 full=$2 more=$3 figures=$4 begun
  node first "$BIG" | apply
  wait_ready first
  quota "$service" "$full"
  node second "$BIG" | apply
  is_told 60 testnode/second Ready False QuotaExceeded "$figures"
  eventually 60 holds_nothing second
  note "it says: $(condition testnode/second Ready)"
  quota "$service" "$more"
  begun=$SECONDS
  # How long the machine then takes is the cloud's own matter.
  eventually 20 is_at_work_on second
  note "begun $((SECONDS - begun)) s after there was more"
  wait_ready second
  note "Ready $((SECONDS - begun)) s after there was more"
}

# is_at_work_on NODE: its last attempt has not failed.
is_at_work_on() {
  kubectl get testnode "$1" -n "$namespace" -o json |
    jq -e '(.status.attempts // [])[-1] | . != null and (.closedAt == null or .outcome == "Ready")' >/dev/null
}

test_a_quota_of_servers_is_waited_for() {
  waits_and_comes nova '{"instances": 1}' '{"instances": 100}' '1 instance needed, 1 of 1 in use'
}

test_a_quota_of_cores_is_waited_for() {
  waits_and_comes nova '{"cores": 3}' '{"cores": 200}' '2 cores needed, 2 of 3 in use'
}

test_a_quota_of_volumes_is_waited_for() {
  waits_and_comes cinder '{"volumes": 3}' '{"volumes": 200}' '2 volumes needed, 2 of 3 in use'
}

test_a_quota_of_gigabytes_is_waited_for() {
  waits_and_comes cinder '{"gigabytes": 3}' '{"gigabytes": 4000}' '2 GiB of volumes needed, 2 of 3 in use'
}

test_a_quota_of_ports_is_waited_for() {
  waits_and_comes neutron '{"port": 1}' '{"port": 200}' '1 port needed, 1 of 1 in use'
}

test_while_nodes_wait_a_cloud_costs_at_most_6_calls_a_minute() {
  local calls
  quota nova '{"cores": 1}'
  quota cinder '{"volumes": 1}'
  node second "$BIG" | apply
  node third "$BIG" | apply
  is_told 60 testnode/second Ready False QuotaExceeded
  is_told 60 testnode/third Ready False QuotaExceeded
  # It is time itself that is measured here.
  within 10 false || true
  forget_requests
  within 60 false || true
  calls=$(at_cloud GET requests | jq '[.[].count] | add // 0')
  note "in a minute of waiting: $(at_cloud GET requests | jq -r '.[] | "\(.count) \(.service) \(.template) \(.status)"')"
  at_most 6 "$calls" calls
  equal 0 "$(at_cloud GET requests | jq '[.[] | select(.template | startswith("POST")).count] | add // 0')" creates
  quota nova '{"cores": 200}'
  quota cinder '{"volumes": 200}'
  wait_ready second
  wait_ready third
}
