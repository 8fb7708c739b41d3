# shellcheck shell=bash
# What a test may claim. A claim that does not hold ends the test, saying what was expected and what was there.

# fail TEXT...: ends the test. The trace names the line of the test, not of this file.
fail() {
  local frame=0
  while [[ ${BASH_SOURCE[frame]} == "${BASH_SOURCE[0]}" ]]; do frame=$((frame + 1)); done
  printf '%s:%s: %s\n' "${BASH_SOURCE[frame]##*/}" "${BASH_LINENO[frame - 1]}" "$*" >&2
  exit 1
}

# indent: what is quoted from elsewhere stands out.
indent() {
  sed 's/^/    /'
}

# equal EXPECTED ACTUAL WHAT...
equal() {
  local expected=$1 actual=$2
  shift 2
  [[ $actual == "$expected" ]] || fail "$*: expected"$'\n'"$(indent <<<"$expected")"$'\n'"but it is"$'\n'"$(indent <<<"$actual")"
}

# at_most LIMIT NUMBER WHAT...
at_most() {
  local limit=$1 number=$2
  shift 2
  [[ $number =~ ^[0-9]+$ ]] || fail "$*: not a number: $number"
  ((number <= limit)) || fail "$*: $number, more than $limit"
}

# contains TEXT PART...: every part is somewhere in the text.
contains() {
  local text=$1 part
  shift
  for part in "$@"; do
    [[ $text == *"$part"* ]] || fail "expected to find '$part' in"$'\n'"$(indent <<<"$text")"
  done
}

# lacks TEXT PART...: none of the parts is in the text.
lacks() {
  local text=$1 part
  shift
  for part in "$@"; do
    [[ $text != *"$part"* ]] || fail "did not expect to find '$part' in"$'\n'"$(indent <<<"$text")"
  done
}

# matches TEXT REGEX
matches() {
  [[ $1 =~ $2 ]] || fail "expected a match of '$2' in"$'\n'"$(indent <<<"$1")"
}

# refused COMMAND...: it must fail; prints everything it said.
refused() {
  local said
  if said=$("$@" 2>&1); then
    fail "expected to fail, but succeeded: $*"$'\n'"$(indent <<<"$said")"
  fi
  printf '%s\n' "$said"
}

# eventually SECONDS COMMAND...: it must succeed within the time; what it said last is shown when it does not.
eventually() {
  local seconds=$1 deadline=$((SECONDS + $1)) said
  shift
  until said=$("$@" 2>&1); do
    ((SECONDS < deadline)) || fail "not within $seconds s: $*"$'\n'"$(indent <<<"$said")"
    sleep 0.2
  done
}

# note TEXT...: shown below the test's line, when it passes too.
note() {
  printf '%s\n' "$*" >>"$work/notes"
}
