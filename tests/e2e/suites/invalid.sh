# shellcheck shell=bash
# Bad input: it is refused at once, or ends in a condition that names the cause and the cure; fixing it heals the node.

test_the_api_server_refuses_an_invalid_manifest_of_each_kind() {
  local spec
  contains "$(node short 'hostname: a' | refused kubectl apply -f -)" hostname
  contains "$(node upper 'hostname: Smithi' | refused kubectl apply -f -)" hostname
  contains "$(node both 'flavor: m1.small, resources: {vcpus: 1}' | refused kubectl apply -f -)" flavor resources
  contains "$(node empty 'volumes: [{name: osd, sizeGiB: 0}]' | refused kubectl apply -f -)" sizeGiB
  contains "$(node twice 'volumes: [{name: osd, sizeGiB: 1}, {name: osd, sizeGiB: 2}]' | refused kubectl apply -f -)" volumes
  contains "$(node typo 'machinetype: lab' | refused kubectl apply -f -)" 'unknown field' machinetype
  contains "$(MACHINE_TYPE='""' node nameless | refused kubectl apply -f -)" machineType
  for spec in '{}' '{clouds: []}' '{clouds: [{name: lab}, {name: lab}]}'; do
    contains "$(thing MachineType "$spec" | refused kubectl apply -f -)" clouds
  done
  contains "$(thing MachineType '{clouds: [{name: lab}], flavor: {name: a, id: b}}' | refused kubectl apply -f -)" flavor
  contains "$(thing Cloud '{}' | refused kubectl apply -f -)" openstack
  contains "$(thing Cloud '{openstack: {cloudName: lab}}' | refused kubectl apply -f -)" secretRef
  contains "$(thing Cloud '{openstack: {secretRef: {name: lab}, cloudName: lab}, poll: {active: soon}}' |
    refused kubectl apply -f -)" poll.active
}

# makes_nothing NODE: while it cannot become Ready, nothing is made for it.
makes_nothing() {
  equal 0 "$(servers_of "$1" | jq length)" servers
  equal 0 "$(volumes_of "$1" | jq length)" volumes
}

test_an_unknown_machine_type_is_named_and_making_it_heals() {
  MACHINE_TYPE=$namespace node lost | apply
  is_told 10 testnode/lost Ready False MachineTypeNotFound "$namespace"
  makes_nothing lost
  own_machine_type
  wait_ready lost
}

test_an_unknown_cloud_is_named_and_making_it_heals() {
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node lost | apply
  is_told 10 testnode/lost Ready False CloudNotFound "$namespace"
  credentials "$namespace" | apply
  own_cloud
  wait_ready lost
}

test_an_image_that_matches_nothing_is_told_and_another_os_heals() {
  node lost 'os: {type: plan9, version: "4"}' | apply
  is_told 20 testnode/lost Ready False ImageNotFound plan9
  makes_nothing lost
  kubectl patch testnode lost -n "$namespace" --type merge -p '{"spec":{"os":{"type":"ubuntu","version":"22.04"}}}' >/dev/null
  wait_ready lost
}

test_images_that_match_twice_are_told() {
  own_machine_type '.spec.defaultOS = {type: "rocky", version: "9.4"}
    | .spec.images = [{os: .spec.defaultOS, nameRegex: "rocky 9[.]4", selection: "Error"}]'
  MACHINE_TYPE=$namespace node torn | apply
  is_told 20 testnode/torn Ready False ImageAmbiguous rocky
  makes_nothing torn
}

test_a_flavor_that_is_not_there_is_told_and_another_heals() {
  node lost 'flavor: nosuch' | apply
  is_told 20 testnode/lost Ready False FlavorNotFound nosuch
  makes_nothing lost
  kubectl patch testnode lost -n "$namespace" --type merge -p '{"spec":{"flavor":null}}' >/dev/null
  wait_ready lost
}

test_a_network_that_is_not_there_is_told() {
  node lost 'networks: [{name: nosuch}]' | apply
  is_told 20 testnode/lost Ready False Network nosuch
  makes_nothing lost
}

test_several_networks_to_choose_from_are_told_and_naming_one_heals() {
  # A copy of the lab's own network under another name.
  knob "$(at_cloud GET knobs | jq '.networks | {networks: (. + [.[0] | .name = "other-net" | .id |= sub("1$"; "9")
    | .subnets[0].id |= sub("1$"; "9")])}')"
  # A cloud of its own, of which nothing was read before.
  credentials "$namespace" | apply
  own_cloud
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node torn | apply
  is_told 30 testnode/torn Ready False NetworkAmbiguous other-net
  makes_nothing torn
  kubectl patch testnode torn -n "$namespace" --type merge -p '{"spec":{"networks":[{"name":"other-net"}]}}' >/dev/null
  wait_ready torn
}

test_a_volume_type_that_is_not_there_is_told() {
  node lost 'volumes: [{name: osd, sizeGiB: 1, type: nosuch}]' | apply
  is_told 30 testnode/lost Ready False nosuch
  equal 0 "$(servers_of lost | jq length)" servers
}

test_wrong_credentials_are_told_and_the_right_ones_heal() {
  credentials "$namespace" -e 's/password: .*/password: wrong/' | apply
  own_cloud
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node lost | apply
  is_told 20 "cloud/$namespace" Ready False AuthenticationFailed "$namespace"
  is_told 20 testnode/lost Ready AuthenticationFailed "$namespace"
  lacks "$(kubectl get testnode lost -n "$namespace" -o yaml; kubectl get cloud "$namespace" -o yaml)" 'password: wrong'
  credentials "$namespace" | apply
  wait_ready lost
}

test_a_missing_secret_is_told_and_making_it_heals() {
  own_cloud
  is_told 20 "cloud/$namespace" Ready False "$namespace" "$SYSTEM"
  credentials "$namespace" | apply
  is_told 20 "cloud/$namespace" Ready True
}

test_nsupdate_web_out_of_reach_is_told_and_its_return_heals() {
  local nobody
  free_port nobody
  credentials "$namespace" | apply
  own_cloud ".spec.dns.nsupdateWeb.url = \"http://127.0.0.1:$nobody/\""
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node nameless | apply
  is_told 60 testnode/nameless DNSReady False DNSUpdateFailed "127.0.0.1:$nobody"
  own_cloud
  wait_ready nameless
}

test_a_name_that_nsupdate_web_refuses_is_told_and_its_consent_heals() {
  knob '{"allow_hosts": "^smithi[0-9]+$"}'
  node stranger | apply
  is_told 60 testnode/stranger DNSReady False DNSUpdateFailed stranger allow_hosts
  calm
  wait_ready stranger
}
