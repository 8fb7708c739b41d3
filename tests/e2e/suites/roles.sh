# shellcheck shell=bash
# What people may do: the roles that the chart brings, as Kubernetes' own view, edit and admin take them up.

# tester COMMAND...: as somebody of whom RBAC knows nothing else.
tester() { "$1" --as tester "${@:2}"; }

# binds ROLE: the tester has this role in the namespace of the test, and no other right.
binds() {
  kubectl create rolebinding "tester-$1" --clusterrole "$1" --user tester -n "$namespace" >/dev/null
}

# may_all YES_OR_NO RIGHT...: each right is VERB/RESOURCE or VERB/RESOURCE/SUBRESOURCE.
may_all() {
  local right verb resource part
  for right in "${@:2}"; do
    IFS=/ read -r verb resource part <<<"$right"
    [[ $(tester kubectl auth can-i "$verb" "$resource" ${part:+--subresource "$part"} -n "$namespace" 2>/dev/null || true) == "$1" ]] ||
      { echo "$right: not $1"; return 1; }
  done
}

READ=(get/testnodes list/testnodes watch/testnodes list/testnodepools list/testnodeslots list/testnodeclaims)
CLAIM=(create/testnodeclaims update/testnodeclaims patch/testnodeclaims delete/testnodeclaims)
EDIT=(create/testnodes update/testnodes patch/testnodes delete/testnodes deletecollection/testnodes)
NEVER=(patch/testnodes/status update/testnodes/status abandon/testnodes adopt/testnodes)
LAB=(list/machinetypes create/machinetypes list/clouds delete/clouds create/testnodepools patch/testnodepools/scale create/testnodeslots)

test_who_views_a_namespace_sees_its_nodes_and_changes_nothing() {
  binds view
  # A controller copies the rules from role to role.
  eventually 20 may_all yes "${READ[@]}" list/events list/events.events.k8s.io
  may_all no "${EDIT[@]}" "${NEVER[@]}" "${LAB[@]}"
}

test_who_edits_a_namespace_makes_and_deletes_nodes_and_nothing_else() {
  binds edit
  eventually 20 may_all yes "${READ[@]}" "${EDIT[@]}"
  may_all no "${NEVER[@]}" "${LAB[@]}"
  node own | tester kubectl apply -f - >/dev/null
  wait_ready own
  contains "$(tester kubectl describe testnode own -n "$namespace")" 'Ready'
  tester kubectl delete testnode own -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_the_admin_of_a_namespace_is_no_admin_of_the_lab() {
  binds admin
  eventually 20 may_all yes "${READ[@]}" "${EDIT[@]}"
  may_all no "${NEVER[@]}" "${LAB[@]}"
}

test_the_roles_can_be_bound_by_themselves() {
  binds testnode-edit
  may_all yes "${READ[@]}" "${EDIT[@]}" "${CLAIM[@]}" list/events
  may_all no "${NEVER[@]}" "${LAB[@]}"
}

test_who_may_claim_only_makes_no_nodes() {
  binds testnode-claim
  may_all yes "${READ[@]}" "${CLAIM[@]}" list/events
  may_all no "${EDIT[@]}" "${NEVER[@]}" "${LAB[@]}" patch/testnodeclaims/status
}

test_an_admin_of_the_lab_has_all_but_the_status() {
  kubectl create clusterrolebinding "$namespace" --clusterrole testnode-admin --user tester >/dev/null
  may_all yes "${READ[@]}" "${EDIT[@]}" "${LAB[@]}" abandon/testnodes adopt/testnodes
  may_all no patch/testnodes/status update/clouds/status
  kubectl delete clusterrolebinding "$namespace" >/dev/null
}

test_aggregation_can_be_switched_off_and_on() {
  binds edit
  eventually 20 may_all yes create/testnodes
  helm_to upgrade "$chart" --set rbac.aggregate=false >/dev/null
  eventually 20 may_all no "${READ[@]}" "${EDIT[@]}"
  install_release
  eventually 20 may_all yes create/testnodes
}

test_the_catalogue_is_read_by_the_groups_that_a_value_names_and_by_nobody_else() {
  equal no "$(kubectl auth can-i list machinetypes --as tester --as-group testers 2>/dev/null || true)" 'without the value'
  helm_to upgrade "$chart" --set 'rbac.catalogueGroups={testers}' >/dev/null
  equal yes "$(kubectl auth can-i list machinetypes --as tester --as-group testers)" 'a tester lists MachineTypes'
  equal yes "$(kubectl auth can-i get clouds --as tester --as-group testers)" 'a tester reads Clouds'
  equal no "$(kubectl auth can-i patch clouds --as tester --as-group testers 2>/dev/null || true)" 'a tester patches Clouds'
  equal no "$(kubectl auth can-i list clouds --as stranger --as-group others 2>/dev/null || true)" 'another group'
  install_release
}
