# shellcheck shell=bash
# A client of the cloud with the credentials of the lab's user, past the operator.

# login: puts a token and the endpoints of the lab's user into files.
login() {
  local entry url body
  # What kubectl turns into JSON must look like an object of Kubernetes.
  entry=$({ printf 'apiVersion: v1\nkind: Clouds\nmetadata: {name: clouds}\n' && at_cloud GET clouds.yaml; } | as_json |
    jq -ce '.[0].clouds.lab')
  url=$(jq -r .auth.auth_url <<<"$entry")
  # The password goes from one program to the next, not through an argument list.
  body=$(jq -c '.auth | {auth: {identity: {methods: ["password"], password: {user: {name: .username, password: .password,
    domain: {id: .user_domain_id}}}}, scope: {project: {name: .project_name, domain: {id: .project_domain_id}}}}}' <<<"$entry")
  (
    umask 077
    curl --silent --show-error --fail --json @- --dump-header "$work/login.headers" --output "$work/login.json" \
      "$url/auth/tokens" <<<"$body"
    printf 'X-Auth-Token: %s\n' "$(sed -n 's/^x-subject-token: *\([^\r]*\)\r*$/\1/Ip' "$work/login.headers")" >"$work/token"
  )
}

# ask METHOD TYPE PATH [JSON]: as the lab's user. The status goes to $work/status, the body to $work/body.
ask() {
  local method=$1 kind=$2 path=$3 url
  url=$(jq -er --arg kind "$kind" '.token.catalog[] | select(.type == $kind).endpoints[] | select(.interface == "public").url' \
    "$work/login.json")
  [[ $kind == compute || $kind == volumev3 ]] || url=${url%/}
  curl --silent --show-error --globoff --max-time 60 --request "$method" --header @"$work/token" \
    --header 'X-OpenStack-Nova-API-Version: 2.90' --header 'OpenStack-API-Version: volume 3.27' \
    --dump-header "$work/headers" --output "$work/body" --write-out '%{http_code}' \
    ${4:+--json "$4"} "$url$path" >"$work/status"
}

# answers STATUS [FILTER]: what was asked last was answered so, and the filter says true of the body.
answers() {
  equal "$1" "$(<"$work/status")" "the status, with $(cut -c1-300 "$work/body")"
  (($# < 2)) || jq -e "$2" "$work/body" >/dev/null || fail "not so: $2"$'\n'"$(cut -c1-600 "$work/body")"
}

said() { jq -er "$1" "$work/body"; }

# heads NAME REGEX: what was asked last was answered with such a header.
heads() {
  matches "$(sed -n "s/^$1: *\([^\r]*\)\r*$/\1/Ip" "$work/headers")" "$2"
}

# shows TYPE PATH FILTER
shows() {
  ask GET "$1" "$2"
  jq -e "$3" "$work/body"
}

# a_volume NAME: of the lab's project and without our marks; its id.
a_volume() {
  ask POST volumev3 /volumes "{\"volume\": {\"name\": \"$1\", \"size\": 1}}"
  said .volume.id
}

free() { shows volumev3 "/volumes/$1" '.volume.status == "available" and .volume.attachments == []'; }
