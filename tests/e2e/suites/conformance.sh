# shellcheck shell=bash
# What the operator builds on in the answers of a cloud: the same requests, and the same expectations, on devcloud and on
# a real OpenStack.

# shellcheck source=../lib/client.sh
source "$here/lib/client.sh"

NOBODY=00000000-0000-4000-8000-000000000000

test_a_login_names_its_token_project_and_services() {
  login
  jq -e '.token | .project.id and .user.id and (.expires_at | endswith("Z"))
    and ([.catalog[].type] | contains(["compute", "volumev3", "image", "network"]))' "$work/login.json" >/dev/null ||
    fail "$(<"$work/login.json")"
  printf 'X-Auth-Token: nonsense\n' >"$work/token"
  ask GET compute /servers
  answers 401 '.error.code == 401'
  heads www-authenticate '^Keystone uri='
}

test_what_is_not_there_is_told_in_each_services_own_shape() {
  login
  ask GET compute "/servers/$NOBODY"
  answers 404 '.itemNotFound.code == 404'
  ask DELETE compute "/servers/$NOBODY"
  answers 404 '.itemNotFound.code == 404'
  ask GET volumev3 "/volumes/$NOBODY"
  answers 404 '.itemNotFound.code == 404'
  ask DELETE volumev3 "/volumes/$NOBODY"
  answers 404 '.itemNotFound.code == 404'
  ask GET network "/v2.0/ports/$NOBODY"
  answers 404 '.NeutronError.type == "PortNotFound"'
  ask DELETE network "/v2.0/ports/$NOBODY"
  answers 404 '.NeutronError.type == "PortNotFound"'
}

test_lists_are_what_names_are_resolved_by() {
  login
  ask GET compute /flavors/detail
  answers 200 '.flavors | length > 0 and all(.[]; .id and .name and (.vcpus | type == "number") and (.ram | type == "number")
    and (.disk | type == "number"))'
  ask GET image '/v2/images?limit=100'
  answers 200 '.images | length > 0 and all(.[]; .id and .name and .status and .created_at and .visibility and (.min_disk | type == "number"))'
  ask GET network /v2.0/networks
  answers 200 '.networks | length > 0 and all(.[]; .id and .name and .status and has("router:external") and has("shared") and has("subnets"))'
  ask GET network '/v2.0/security-groups?fields=id&fields=name'
  answers 200 '[."security_groups"[].name] | contains(["default"])'
  ask GET network '/v2.0/networks?name=nosuch'
  answers 200 '.networks == []'
}

test_limits_are_told_to_a_member() {
  login
  ask GET compute /limits
  answers 200 '.limits.absolute | has("maxTotalCores") and has("totalCoresUsed") and has("maxTotalInstances")
    and has("totalInstancesUsed") and has("maxTotalRAMSize") and has("totalRAMUsed")'
  ask GET volumev3 /limits
  answers 200 '.limits.absolute | has("maxTotalVolumes") and has("totalVolumesUsed") and has("maxTotalVolumeGigabytes")
    and has("totalGigabytesUsed")'
  ask GET network "/v2.0/quotas/$(jq -r .token.project.id "$work/login.json")/details.json"
  answers 200 '.quota.port | has("limit") and has("used") and has("reserved")'
}

test_bad_creates_are_refused() {
  login
  ask POST volumev3 /volumes '{"volume": {"size": 0}}'
  answers 400 '.badRequest.code == 400'
  ask POST volumev3 /volumes '{"volume": {"size": 1, "volume_type": "nosuch"}}'
  answers 404 '.itemNotFound.code == 404'
  ask POST network /v2.0/ports "{\"port\": {\"network_id\": \"$NOBODY\"}}"
  answers 404 '.NeutronError.type == "NetworkNotFound"'
  ask POST compute /servers "{\"server\": {\"name\": \"x\", \"flavorRef\": \"nosuch\", \"imageRef\": \"$NOBODY\", \"networks\": \"none\"}}"
  answers 400 '.badRequest.code == 400'
  ask POST compute /servers '{"server": {"name": "x"}}'
  answers 400 '.badRequest.code == 400'
  ask GET compute '/servers/detail?status=NOPE'
  answers 400 '.badRequest.code == 400'
}

test_a_full_quota_is_refused_in_each_services_own_shape() {
  local flavor image network
  login
  ask GET compute /flavors/detail && flavor=$(said '[.flavors[] | select(.name == "b2-7").id][0]')
  ask GET image '/v2/images?name=Debian%2012' && image=$(said '.images[0].id')
  ask GET network '/v2.0/networks?name=lab-net' && network=$(said '.networks[0].id')
  quota nova '{"cores": 1}'
  ask POST compute /servers \
    "{\"server\": {\"name\": \"x\", \"flavorRef\": \"$flavor\", \"imageRef\": \"$image\", \"networks\": \"none\"}}"
  answers 403 '.forbidden | .code == 403 and (.message | startswith("Quota exceeded for cores: Requested 2, but already used 0 of 1"))'
  ask GET compute /limits
  answers 200 '.limits.absolute | .maxTotalCores == 1 and .totalCoresUsed == 0'
  quota nova '{"cores": 200}'
  quota cinder '{"volumes": 0}'
  ask POST volumev3 /volumes '{"volume": {"size": 1}}'
  answers 413 '.overLimit | .code == 413 and (.message | startswith("VolumeLimitExceeded:"))'
  heads retry-after '^0$'
  quota cinder '{"volumes": 200, "gigabytes": 1}'
  ask POST volumev3 /volumes '{"volume": {"size": 2}}'
  answers 413 '.overLimit.message | startswith("VolumeSizeExceedsAvailableQuota:")'
  quota cinder '{"gigabytes": 4000, "per_volume_gigabytes": 1}'
  ask POST volumev3 /volumes '{"volume": {"size": 2}}'
  answers 413 '.overLimit.message | startswith("VolumeSizeExceedsLimit:")'
  quota cinder '{"per_volume_gigabytes": -1}'
  quota neutron '{"port": 0}'
  ask POST network /v2.0/ports "{\"port\": {\"network_id\": \"$network\"}}"
  answers 409 '.NeutronError | .type == "OverQuota" and (.message | contains("port"))'
  quota neutron '{"port": 200}'
}

test_a_server_with_its_volume_and_port_lives_and_dies() {
  local volume port server flavor image network mapping wanted
  login
  ask GET compute /flavors/detail && flavor=$(said '[.flavors[] | select(.name == "b2-7").id][0]')
  ask GET image '/v2/images?name=Debian%2012' && image=$(said '.images[0].id')
  ask GET network '/v2.0/networks?name=lab-net' && network=$(said '.networks[0].id')

  ask POST volumev3 /volumes '{"volume": {"name": "wire", "size": 1, "metadata": {"conformance": "yes"}}}'
  answers 202 '.volume | .status == "creating" and .metadata.conformance == "yes" and .size == 1 and .attachments == []'
  volume=$(said .volume.id)
  eventually 30 shows volumev3 "/volumes/$volume" '.volume.status == "available"'
  ask GET volumev3 '/volumes/detail?metadata={%22conformance%22:%22yes%22}'
  answers 200 '.volumes | length == 1'

  ask POST network /v2.0/ports "{\"port\": {\"network_id\": \"$network\", \"name\": \"wire\", \"description\": \"conformance=yes\"}}"
  answers 201 '.port | .device_id == "" and .description == "conformance=yes" and (.fixed_ips[0].ip_address | length > 0)'
  port=$(said .port.id)
  ask GET network '/v2.0/ports?description=conformance=yes'
  answers 200 '.ports | length == 1'

  mapping="[{\"uuid\": \"$image\", \"source_type\": \"image\", \"destination_type\": \"local\", \"boot_index\": 0},
    {\"uuid\": \"$volume\", \"source_type\": \"volume\", \"destination_type\": \"volume\", \"boot_index\": -1, \"delete_on_termination\": true}]"
  wanted="{\"server\": {\"name\": \"wire\", \"hostname\": \"wire\", \"flavorRef\": \"$flavor\", \"imageRef\": \"$image\",
    \"networks\": [{\"port\": \"$port\"}], \"tags\": [\"conformance=yes\"], \"metadata\": {\"conformance\": \"yes\"},
    \"block_device_mapping_v2\": $mapping}}"
  ask POST compute /servers "$wanted"
  answers 202 '.server | .id and .links and (has("name") or has("status") | not)'
  heads location '/servers/'
  server=$(said .server.id)
  ask POST compute /servers "$wanted"
  answers 400 '.badRequest.message | contains("reserve") or contains("in-use") or contains("attach")'
  ask DELETE volumev3 "/volumes/$volume"
  answers 400 '.badRequest.code == 400'
  eventually 60 shows compute "/servers/$server" '.server.status == "ACTIVE"'
  ask GET compute "/servers/$server"
  answers 200 '.server | .name == "wire" and ."OS-EXT-SRV-ATTR:hostname" == "wire" and .tags == ["conformance=yes"]
    and ([.addresses[][].addr] | length == 1) and .flavor.original_name == "b2-7" and (.flavor | has("id") | not)
    and (."os-extended-volumes:volumes_attached" | length == 1) and .config_drive == ""'
  ask GET compute '/servers/detail?tags=conformance%3Dyes'
  answers 200 '.servers | length == 1'
  ask GET compute '/servers/detail?tags=conformance%3Dno'
  answers 200 '.servers == []'
  eventually 20 shows network "/v2.0/ports/$port" ".port.device_id == \"$server\""
  ask GET volumev3 "/volumes/$volume"
  answers 200 ".volume | .status == \"in-use\" and .attachments[0].server_id == \"$server\""
  ask POST compute "/servers/$server/action" '{"os-getConsoleOutput": {}}'
  answers 200 '.output | contains("Linux")'

  ask DELETE compute "/servers/$server"
  answers 204
  eventually 60 no_more compute "/servers/$server"
  eventually 60 no_more volumev3 "/volumes/$volume"
  ask GET network "/v2.0/ports/$port"
  answers 200 '.port.device_id == ""'
  ask DELETE network "/v2.0/ports/$port"
  answers 204
}

# no_more TYPE PATH
no_more() {
  ask GET "$1" "$2"
  [[ $(<"$work/status") == 404 ]]
}
