# shellcheck shell=bash
# What a real OpenStack refuses, in its own words, and how a node goes on when it refuses no more.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

test_a_quota_that_shows_only_in_the_servers_error_is_waited_for() {
  # Nova counts once more when the server is on its way, and by then there is less.
  stop_service nova-conductor
  node late 'flavor: b2-7' | apply
  eventually 60 there_is_a_server_of late
  quota nova '{"cores": 1}'
  restart_service nova-conductor
  eventually 90 tried_in_vain late
  note "the attempt said: $(the late '.status.attempts[0].reason'): $(the late '.status.attempts[0].message')"
  contains "$(the late '.status.attempts[0].reason')" QuotaExceeded
  is_told 60 testnode/late Ready False QuotaExceeded core
  eventually 60 holds_nothing late
  quota nova '{"cores": 200}'
  wait_ready late
}

there_is_a_server_of() { (($(servers_of "$1" | jq length) == 1)); }

test_a_volume_larger_than_any_may_be_is_told() {
  quota cinder '{"per_volume_gigabytes": 1}'
  node huge 'volumes: [{name: osd, sizeGiB: 2}]' | apply
  is_told 60 testnode/huge Ready False 2 1
  eventually 60 holds_nothing huge
  quota cinder '{"per_volume_gigabytes": -1}'
}

test_no_valid_host_is_told_in_novas_words_and_leaves_nothing() {
  local flavor
  flavor=$(inside POST nova/v2.1/flavors '{"flavor": {"name": "monster", "vcpus": 1, "ram": 256, "disk": 900000}}' |
    jq -er .flavor.id)
  own_machine_type '.spec.launchRetries = 1'
  MACHINE_TYPE=$namespace node homeless "flavor: monster, $OSD" | apply
  is_told 90 testnode/homeless Ready False NoValidHost 'No valid host was found'
  eventually 60 holds_nothing homeless
  inside DELETE "nova/v2.1/flavors/$flavor" >/dev/null
}

test_a_hypervisor_that_fails_is_told_and_another_try_heals() {
  own_machine_type '.spec.launchRetries = 5'
  knob '{"server_fails": "^doomed$"}'
  MACHINE_TYPE=$namespace node doomed "$OSD" | apply
  eventually 90 tried_in_vain doomed
  contains "$(the doomed '.status.attempts[*].message')" 'Exhausted all hosts'
  knob '{"server_fails": ""}'
  wait_ready doomed 120
  equal 1 "$(servers_of doomed | jq length)" servers
}

# tried_in_vain NODE: an attempt has ended.
tried_in_vain() { [[ -n $(the "$1" '.status.attempts[*].closedAt') ]]; }

test_a_volume_backend_that_fails_is_told_and_another_try_heals() {
  knob '{"volume_fails": "^brittle-osd-1$"}'
  node brittle "$OSD" | apply
  eventually 90 tried_in_vain brittle
  contains "$(the brittle '.status.attempts[*].reason')" VolumeError
  knob '{"volume_fails": ""}'
  wait_ready brittle 120
  equal 2 "$(volumes_of brittle | jq length)" volumes
}

test_a_create_that_leaves_a_volume_reserved_is_cleaned_up() {
  local second
  # While the create waits at the door, its second volume breaks: Nova reserves the first and refuses.
  at_cloud POST faults '{"service": "nova", "path": "^POST /servers$", "times": 1,
    "effect": {"kind": "slow", "by": "6s", "when": "before"}}' >/dev/null
  node torn "$OSD" | apply
  eventually 60 asked_for 'POST /servers'
  second=$(volumes_of torn | jq -er '.[] | select(.name == "torn-osd-1").id')
  inside POST "cinder/v3/ADMIN/volumes/$second/action" '{"os-reset_status": {"status": "error"}}' >/dev/null
  eventually 60 tried_in_vain torn
  note "the attempt said: $(the torn '.status.attempts[0].message')"
  wait_ready torn 240
  equal 2 "$(volumes_of torn | jq length)" volumes
}
