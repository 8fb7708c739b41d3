# shellcheck shell=bash
# A real DNS on loopback: BIND with dynamic updates signed by TSIG, and in front of it what behaves as nsupdate-web does.
# Needs lib/process.sh, $here, $work and $ZONE.
bind_port='' nsupdate_port=''
# Of the addresses that machines get.
REVERSE=77.10.in-addr.arpa
dns=$work/dns

start_dns() {
  free_port bind_port
  free_port nsupdate_port
  mkdir -p "$dns"
  # Another key with the same secret may not do all that is needed.
  (umask 077 && tsig-keygen testnode >"$dns/key" && sed 's/"testnode"/"narrow"/' "$dns/key" >"$dns/narrow")
  cat >"$dns/named.conf" <<CONF
include "$dns/key";
include "$dns/narrow";
controls { };
options {
  directory "$dns"; pid-file "$dns/named.pid"; session-keyfile "$dns/session.key";
  listen-on port $bind_port { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; notify no; dnssec-validation no;
};
zone "$ZONE" {
  type primary; file "$dns/zone"; allow-transfer { 127.0.0.1; };
  update-policy { grant testnode zonesub ANY; grant narrow zonesub A AAAA; };
};
zone "$REVERSE" {
  type primary; file "$dns/reverse"; allow-transfer { 127.0.0.1; };
  update-policy { grant testnode zonesub ANY; };
};
CONF
  cat >"$dns/zone" <<ZONE
\$TTL 60
@ SOA ns.$ZONE. admin.$ZONE. 1 3600 600 86400 60
@ NS ns.$ZONE.
ns A 127.0.0.1
ZONE
  cat >"$dns/reverse" <<ZONE
\$TTL 60
@ SOA ns.$ZONE. admin.$ZONE. 1 3600 600 86400 60
@ NS ns.$ZONE.
ZONE
  start_bind
  start nsupdate-web env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$here/dns/nsupdate-web" --listen "127.0.0.1:$nsupdate_port" \
    -d "$ZONE" -K "$dns/key" -s "127.0.0.1 $bind_port" --allow-hosts '[a-z0-9-]+$'
  started nsupdate-web 10 port_answers "$nsupdate_port"
}

# tsig_secret: of the key that may change everything.
tsig_secret() { sed -n 's/^\tsecret "\(.*\)";$/\1/p' "$dns/key"; }

# Alone again after a stop, too: what was updated is in its journal.
start_bind() {
  start bind named -4 -g -c "$dns/named.conf"
  started bind 20 records
}

# records: the zone, as one JSON object of names and their addresses.
records() {
  dig +noall +answer +time=2 +tries=1 -p "$bind_port" @127.0.0.1 "$ZONE" AXFR | grep -q SOA || return 1
  dig +noall +answer +time=2 +tries=1 -p "$bind_port" @127.0.0.1 "$ZONE" AXFR |
    awk '($4 == "A" || $4 == "AAAA") && $1 !~ /^ns\./ { sub(/\.$/, "", $1); print $1, $5 }' |
    jq -Rn '[inputs | split(" ") | {(.[0]): [.[1]]}] | reduce .[] as $one ({};
      reduce ($one | to_entries[]) as $record (.; .[$record.key] += $record.value))'
}

stop_dns() {
  stop nsupdate-web || true
  stop bind || true
}
