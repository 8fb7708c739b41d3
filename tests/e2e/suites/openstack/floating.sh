# shellcheck shell=bash
# Floating IPs of a real Neutron, with a router of the lab and without one. It has two external networks: one is named.

# shellcheck source=../../lib/networks.sh
source "$here/lib/networks.sh"

ALWAYS='floatingIP: {policy: Always, pool: Ext-Net}'
IF_NEEDED='floatingIP: {policy: IfNeeded, pool: Ext-Net}'

test_a_floating_ip_is_made_published_and_given_back() {
  local address
  with_router
  node outside "$ALWAYS" | apply
  wait_ready outside

  equal 1 "$(floating_ips_of outside | jq length)" 'floating IPs'
  address=$(floating_ips_of outside | jq -r '.[0].address')
  matches "$address" '^198\.18\.'
  equal "$(ports_of outside | jq -r '.[0].id')" "$(floating_ips_of outside | jq -r '.[0].port_id')" 'the port that it leads to'
  equal "$address" "$(the outside .status.accessIP)" accessIP
  equal "$address" "$(address_of_name outside)" 'what DNS says'
  # Nova shows it a moment later.
  eventually 30 shown_by_nova outside "$address"

  kubectl delete testnode outside -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
  end_strangers
}

shown_by_nova() { servers_of "$1" | jq -e --arg address "$2" 'any(.[0].addresses[][]; .addr == $address)' >/dev/null; }

test_without_a_router_the_fixed_address_serves_if_the_policy_is_if_needed() {
  node inside "$IF_NEEDED" | apply
  wait_ready inside
  contains "$(condition testnode/inside Resolved)" 'no router joins network lab-net and external network Ext-Net'
  matches "$(the inside .status.accessIP)" '^10\.77\.'
}

test_without_a_router_always_is_an_error_that_says_what_helps() {
  node walled "$ALWAYS" | apply
  is_told 90 testnode/walled Ready False RequestRefused 'is not reachable from subnet' 'router set --external-gateway'
  eventually 60 holds_nothing walled
}

test_a_quota_of_floating_ips_is_waited_for_with_figures_and_nothing_made() {
  with_router
  node first "$ALWAYS" | apply
  wait_ready first
  quota neutron '{"floatingip": 1}'
  node second "$ALWAYS" | apply
  is_told 60 testnode/second Ready False QuotaExceeded '1 floating IP needed, 1 of 1 in use'
  holds_nothing second
  quota neutron '{"floatingip": 20}'
  wait_ready second
  kubectl delete testnodes --all -n "$namespace" --timeout=60s >/dev/null
  end_strangers
}

test_a_pool_that_is_not_external_or_unknown_is_refused_in_words() {
  node misled 'floatingIP: {policy: Always, pool: lab-net}' | apply
  is_told 60 testnode/misled Ready False NetworkNotFound 'no external network lab-net' Ext-Net
  node choosy 'floatingIP: {policy: Always}' | apply
  is_told 60 testnode/choosy Ready False NetworkAmbiguous 'several external networks'
}
