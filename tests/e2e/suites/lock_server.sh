# shellcheck shell=bash
# teuthology's lock server before unmodified teuthology from PyPI, on the real API server and with the rights of the chart.

TEUTHOLOGY=1.3.0
JOB_MACHINES=4

test_teuthology_lists_locks_marks_and_unlocks_and_lost_replies_do_no_harm() {
  with_teuthology
  with_pool 2
  local said mine name=ovh003.$ZONE

  contains "$(lock --brief --all)" "ovh001.$ZONE"
  contains "$(lock --summary)" '(free)'
  # A slot without a machine.
  contains "$(refused lock --lock "$name" --owner alice@desk)" 'has no machine yet'
  lock --update --status down --desc 'no disks' "$name" >/dev/null
  contains "$(lock --brief "$name")" 'down unlocked'
  equal true "$(kubectl get testnodeslot ovh003 -n "$namespace" -o jsonpath='{.spec.down}')" 'the mark'
  lock --update --status up "$name" >/dev/null
  contains "$(lock --lock-many 1 -m lab --os-type ubuntu --os-version 22.04 --owner alice@desk --desc trying)" "ovh00"
  said=$(lock --list --owner alice@desk)
  equal 'alice@desk trying true' "$(jq -r '.[0] | "\(.locked_by) \(.description) \(.locked)"' <<<"$said")" 'the row of the lock'
  mine=$(jq -r '.[0].name' <<<"$said")
  contains "$(lock --list-targets --owner alice@desk)" "$mine: ecdsa-sha2-nistp256 "
  contains "$(refused lock --lock "$mine" --owner bob@desk)" 'already-locked'
  contains "$(refused lock --unlock "$mine" --owner bob@desk)" 'locked_by values must match'

  # The reply to an unlock is lost: teuthology asks again, and that is no error.
  touch "$work/cut"
  lock --unlock "$mine" --owner alice@desk >/dev/null || fail 'the second unlock failed'
  [[ ! -e $work/cut ]] || fail 'no reply was lost'
  eventually 60 idle_again 2

  # The reply to a lock is lost: it is there all the same, and the same words find it.
  touch "$work/cut"
  refused lock --lock-many 1 -m lab --owner scheduled_x@vm --desc /archive/run/1 >/dev/null
  contains "$(lock --lock-many 1 -m lab --owner scheduled_x@vm --desc /archive/run/1)" ovh00
  equal 1 "$(kubectl get tnc -n "$namespace" -o json | jq '[.items[] | select(.spec.owner == "scheduled_x@vm")] | length')" claims

  contains "$(refused lock --lock-many 1 -m nosuch --owner alice@desk)" 'no pool has machines of type nosuch'
}

test_a_whole_job_passes_on_machines_that_are_made_for_it_while_the_operator_is_killed() {
  with_teuthology
  with_pool 0
  mkdir -p "$home/qa/tasks" "$home/run"
  touch "$home/qa/tasks/__init__.py"
  cat >"$home/job.yaml" <<YAML
roles: [[mon.a], [osd.0]]
os_type: ubuntu
os_version: "22.04"
verify_ceph_hash: false
ceph_cm_ansible: false
clock_sync_task: clock.check
sshkeys: ignore
tasks: []
YAML
  in_lab timeout 240 teuthology --lock --block --machine-type lab --owner alice@desk --archive "$home/run/1" --suite-path "$home/qa" \
    "$home/job.yaml" >"$work/log/job.log" 2>&1 &
  local job=$!
  eventually 60 some_claim
  kill_operator
  start_operator
  wait "$job" || fail "the job failed: $(tail -n 40 "$work/log/job.log")"
  contains "$(tail -n 5 "$work/log/job.log")" pass
  eventually 60 all_ended
}

test_in_a_browser_a_machine_is_found_and_a_claim_appears_without_reloading() {
  with_teuthology
  with_pool 2
  trap 'without_browser; without_teuthology' EXIT
  with_browser

  browse "http://127.0.0.1:$locks/"
  eventually 10 page_shows 'ovh001'
  in_page 'window.opened = "once"; return null' >/dev/null
  apply <<YAML
apiVersion: testnode.dev/v1alpha1
kind: TestNodeClaim
metadata: {name: bisect, namespace: $namespace}
spec: {pool: {name: ovh}, owner: bob@desk, description: "<b>bisect</b> of the kernel"}
YAML
  eventually 15 page_shows 'bob@desk'
  # What a person wrote is text, whatever it looks like.
  page_shows '<b>bisect</b> of the kernel'
  equal '"once"' "$(in_page 'return window.opened')" 'the page that was opened first'
  equal true "$(in_page 'return [...document.querySelectorAll(".state")].every((word) => word.getClientRects().length === 1)')" \
    'no word is broken'
  picture "$work/log/lab.png"

  type_into 'input[name=q]' bob@
  eventually 5 shows_machines 1
  window_of 390 844
  picture "$work/log/lab-phone.png"
  equal true "$(in_page 'return document.documentElement.scrollWidth <= window.innerWidth')" 'all of it is seen on a phone'
}

page_shows() { contains "$(in_page 'return document.body.innerText' | jq -r .)" "$1"; }

shows_machines() { equal "$1" "$(in_page 'return document.querySelectorAll("table.machines tbody tr").length')" 'machines on the page'; }

some_claim() { [[ -n $(kubectl get tnc -n "$namespace" -o name) ]]; }

all_ended() { kubectl get tnc -n "$namespace" -o json | jq -e '[.items[] | select(.status.ended == null)] == []' >/dev/null; }

idle_again() { equal "$1" "$(kubectl get testnodepool ovh -n "$namespace" -o jsonpath='{.status.ready}')" 'idle nodes'; }

lock() { in_lab teuthology-lock "$@" 2>&1; }

# in_lab COMMAND...: with a home of its own, where the names of the lab's machines lead to 127.7.0.N.
in_lab() {
  HOME=$home TEUTHOLOGY_CONFIG=$home/teuthology.yaml unshare --mount bash -c \
    'mount --bind "$HOME/hosts" /etc/hosts && exec "$@"' in_lab "$@"
}

# with_pool MIN: a pool of at most four.
with_pool() {
  apply <<YAML
apiVersion: testnode.dev/v1alpha1
kind: TestNodePool
metadata: {name: ovh, namespace: $namespace}
spec: {minReady: $1, max: $JOB_MACHINES, template: {machineType: lab}, claims: {maxDuration: 336h}}
YAML
  kubectl wait --for=condition=Ready testnodepool/ovh -n "$namespace" --timeout=90s >/dev/null
  eventually 60 idle_again "$1"
  eventually 10 rows_are "$JOB_MACHINES"
}

rows_are() { equal "$1" "$(curl --silent --fail "http://127.0.0.1:$locks/nodes/" | jq length)" rows; }

# with_teuthology: the lock server with the rights of its ServiceAccount, a way to it that loses replies, and teuthology.
with_teuthology() {
  local venv=${TESTNODE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/testnode-operator}/e2e/teuthology-$TEUTHOLOGY words number
  if [[ ! -x $venv/bin/teuthology-lock ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "teuthology==$TEUTHOLOGY" 'paramiko<4' asyncssh
  fi
  PATH=$venv/bin:$PATH
  home=$work/home-$namespace
  mkdir -p "$home/.ssh"
  ssh-keygen -q -t ed25519 -N '' -f "$home/.ssh/id_ed25519"
  printf 'Host *.%s\n  User ubuntu\n  StrictHostKeyChecking no\n' "$ZONE" >"$home/.ssh/config"
  printf '127.0.0.1 localhost\n' >"$home/hosts"
  for number in $(seq "$JOB_MACHINES"); do printf '127.7.0.%s ovh%03d.%s\n' "$number" "$number" "$ZONE" >>"$home/hosts"; done

  helm_to upgrade "$chart" --reset-values --set "lockServer.enabled=true,lockServer.namespace=$namespace" >"$work/log/helm.log" 2>&1 ||
    fail "$(<"$work/log/helm.log")"
  free_port locks
  free_port locks_admin
  free_port cutting
  mapfile -t words < <(kubectl get deployment "$RELEASE-locks" -n "$SYSTEM" -o json | jq -r '.spec.template.spec.containers[0]
    | (.env[] | select(.value) | "\(.name)=\(.value)"), "testnode-operator", .args[]')
  KUBECONFIG=$(kubeconfig_for_serviceaccount "$SYSTEM" "$RELEASE-locks") start locks env "${words[@]}" \
    --address "127.0.0.1:$locks" --admin-address "127.0.0.1:$locks_admin"
  started locks 30 curl --silent --fail "http://127.0.0.1:$locks_admin/readyz"
  start cutter python3 "$here/teuthology/cutter.py" "$cutting" "$locks" "$work/cut"
  started cutter 10 curl --silent --fail "http://127.0.0.1:$cutting/nodes/"
  rm -f "$work/sshd.ready"
  start sshd "$venv/bin/python" "$here/teuthology/sshd.py" "$JOB_MACHINES" "$home/.ssh/id_ed25519.pub" "$work/sshd.ready"
  started sshd 20 test -e "$work/sshd.ready"
  cat >"$home/teuthology.yaml" <<YAML
lab_domain: $ZONE
lock_server: http://127.0.0.1:$cutting/
results_server: ''
ssh_key: $home/.ssh/id_ed25519
archive_base: $home/run
YAML
  trap 'without_teuthology' EXIT
}

without_teuthology() {
  stop sshd || true
  stop cutter || true
  stop locks 20 || true
  helm_to upgrade "$chart" --reset-values >"$work/log/helm.log" 2>&1 || true
}
