# shellcheck shell=bash
# What the operator may do, and did. The API server has written down each of its requests; run this suite last.

# asked FILTER: the operator's requests that a jq filter picks, each once, with how often; without those that a test made
# the API server refuse on purpose.
asked() {
  touch "$work/on-purpose.sed"
  sed -f "$work/on-purpose.sed" "$work/log/audit.log" | jq -r "select(.user.username == \"$OPERATOR_USER\") | $1
    | \"\(.verb) \(.objectRef.apiGroup // \"\")/\(.objectRef.resource // .requestURI)\(if .objectRef.subresource then \"/\" + .objectRef.subresource else \"\" end)\"" |
    sort | uniq -c
}

test_the_operator_was_never_refused_a_right() {
  # But for user data where nobody let it: suites/chart.sh sees to that.
  equal '' "$(asked 'select(.annotations["authorization.k8s.io/decision"] == "forbid"
    and (.verb == "get" and .objectRef.name == "first-boot" | not))')" 'requests refused by RBAC'
  note "its requests, as the API server counted them:"
  note "$(asked .)"
}

test_the_operator_may_not_do_what_it_need_not_do() {
  may_not list secrets -n default
  may_not get secrets -n "$namespace"
  may_not create secrets -n "$SYSTEM"
  may_not delete secrets -n "$SYSTEM"
  may_not deletecollection testnodes.testnode.dev -n "$namespace"
  may_not create testnodeclaims.testnode.dev -n "$namespace"
  may_not patch testnodeclaims.testnode.dev -n "$namespace"
  may_not delete testnodepools.testnode.dev -n "$namespace"
  may_not patch testnodeslots.testnode.dev -n "$namespace"
  may_not create configmaps -n default
  may_not patch testnodepools.testnode.dev -n "$namespace"
  may_not update machinetypes.testnode.dev
  may_not delete clouds.testnode.dev
  may_not list namespaces
  may_not create pods -n "$SYSTEM"
}

may_not() {
  equal no "$(kubectl auth can-i "$@" --as "$OPERATOR_USER" 2>/dev/null || true)" "whether the operator may $*"
}
