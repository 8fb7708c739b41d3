# shellcheck shell=bash
# Scenarios of tests/operator, from the same source, on the real API server and with the operator's own rights there. Their
# clouds are in their own process, as ever; but time is real, so that these are the ones that last seconds. Those of whole
# days, and of an API server that fails on demand, are for virtual time only.

test_lives_are_as_in_virtual_time() {
  lived life::a_node_becomes_ready_and_goes_without_a_trace \
    life::everything_bears_the_marks_of_cluster_and_node \
    life::volumes_and_port_come_before_the_server_and_the_name_goes_before_it \
    life::a_node_with_a_tcp_check_is_ready_when_its_port_answers \
    life::a_node_that_goes_while_it_comes_up_leaves_nothing \
    life::a_node_of_the_same_name_can_come_at_once
}

test_launches_that_fail_are_as_in_virtual_time() {
  lived launch::a_server_in_error_is_ended_and_the_next_attempt_succeeds \
    launch::a_server_in_error_is_acted_on_within_5_seconds \
    launch::no_valid_host_goes_to_the_next_cloud_by_weight \
    launch::an_edit_begins_a_new_round_at_once \
    launch::a_held_machine_goes_with_its_node \
    launch::a_volume_in_error_ends_the_attempt \
    launch::a_volume_left_reserved_by_a_failed_create_is_freed_and_goes \
    places::a_full_cloud_means_the_next
}

test_waiting_for_room_is_as_in_virtual_time() {
  lived capacity::a_node_that_goes_lets_the_oldest_of_those_that_wait_in_at_once \
    capacity::nodes_over_the_limit_of_a_cloud_queue_by_age_and_one_too_big_is_told \
    capacity::a_quota_that_cannot_be_read_keeps_nobody_waiting \
    capacity::one_that_waits_and_is_deleted_holds_up_nobody \
    crowd::no_more_nodes_than_the_limit_are_made_and_each_gets_its_turn \
    crowd::a_quota_for_three_serves_nine_without_a_leak
}

test_names_are_as_in_virtual_time() {
  lived names::a_lost_reply_of_nsupdate_web_is_no_reason_to_set_the_name_to_something_else \
    names::a_name_that_nsupdate_web_refuses_is_told_and_its_consent_heals \
    names::a_record_that_became_a_strangers_is_not_withdrawn \
    input::nsupdate_web_out_of_reach_is_told_and_its_return_heals \
    input::a_missing_secret_is_told_and_making_it_heals
}

test_what_clings_goes_as_in_virtual_time() {
  lived faults::a_cloud_that_keeps_what_is_deleted_is_told_to_let_go \
    faults::a_strangers_things_of_our_very_names_are_left_alone \
    stuck::a_volume_in_error_deleting_is_told_at_once_and_goes_once_it_is_reset \
    stuck::volumes_left_in_use_by_a_server_that_is_gone_are_freed_and_go \
    kubernetes::a_namespace_goes_with_the_nodes_in_it
}

# lived SCENARIO...: every one of them is there, and holds. Each clears away all that is ours before it and after it.
lived() {
  local status=0
  stop_operator
  (cd "$root" && LAB_KUBECONFIG=$KUBECONFIG LAB_OPERATOR_KUBECONFIG=$operator_kubeconfig \
    cargo test --quiet --locked --workspace --test operator -- --test-threads 1 --exact "$@") || status=$?
  credentials lab | apply
  lab_objects | apply
  start_operator
  ((status == 0)) || fail 'a scenario does not hold'
  contains "$(<"$work/log/test.log")" "test result: ok. $# passed"
}
