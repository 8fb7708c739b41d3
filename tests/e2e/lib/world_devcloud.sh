# shellcheck shell=bash
# A world made of tests/devcloud: one program that speaks the wire of OpenStack, nsupdate-web and DNS, with faults on
# demand.

# shellcheck disable=SC2034 # Read by lib/lab.sh.
start_world() {
  # A guest is up with its server, as calls and times are counted.
  start devcloud devcloud --listen 127.0.0.1:0 --dns 127.0.0.1:0 --ready-file "$work/devcloud.json" --zone "$ZONE" \
    --volume-create 500ms --server-build 2s --server-delete 1s --guest-boot 0s
  started devcloud 10 jq -e .dns "$work/devcloud.json"
  control_url=$(jq -er .http "$work/devcloud.json")/devcloud
  nsupdate_url=${control_url%/devcloud}/nsupdate
  dns_server=$(jq -er .dns "$work/devcloud.json")
  at_cloud GET knobs >"$work/knobs.json"
}

stop_world() { stop devcloud || true; }

cloud_state() { at_cloud GET state; }

# quota SERVICE JSON: of the only project. No two services have one of the same name.
quota() { knob "{\"quotas\": $2}"; }

# tsig_secret: of the key that may change names.
tsig_secret() { at_cloud GET knobs | jq -r .tsig_secret; }

# nothing_else_left: what has no mark of ours. Tests bring strangers here.
nothing_else_left() { :; }

repair_world() { :; }
