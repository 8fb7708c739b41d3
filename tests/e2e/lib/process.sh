# shellcheck shell=bash
# Programs that run beside the suites: started with a log, ended by pid, waited for with a bound.
#
# A test runs in a subshell and may restart a program, so what runs is kept in files under $work/run, not in variables.
# Needs $work, and $ports, a folder for all that runs beside it too.

# say TEXT...: one line for the person who watches.
say() {
  printf '%s\n' "$*"
}

# die TEXT...: ends the run.
die() {
  printf 'tests/e2e: %s\n' "$*" >&2
  exit 1
}

# need PROGRAM HINT: ends the run, saying how to get what is missing.
need() {
  command -v "$1" >/dev/null || die "$1 is not in PATH: $2"
}

# within SECONDS COMMAND...: repeats the command until it succeeds; fails when the time is over.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# free_port VARIABLE: puts a loopback port into it that nobody listens on, and that no earlier call gave out. Below
# the range from which the kernel takes ports for outgoing connections, so that none of those takes it meanwhile.
free_port() {
  local -n chosen=$1
  while :; do
    chosen=$((10000 + RANDOM % 20000))
    mkdir "$ports/$chosen" 2>/dev/null || continue
    (exec 3<>"/dev/tcp/127.0.0.1/$chosen") 2>/dev/null || return 0
  done
}

# start NAME COMMAND...: runs it in the background, its output in $work/log/NAME.log, which a restart appends to.
start() {
  local name=$1
  shift
  exec "$@" >>"$work/log/$name.log" 2>&1 </dev/null &
  echo $! >"$work/run/$name.pid"
  disown
}

pid_of() {
  cat "$work/run/$1.pid" 2>/dev/null
}

# runs NAME: whether it is alive. Who is dead and not yet reaped is dead.
runs() {
  local pid
  pid=$(pid_of "$1") && kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

ended() {
  ! runs "$1"
}

# stop NAME [SECONDS]: asks it to end, and ends it when it has not within the time. Fails in that case.
stop() {
  local name=$1 patience=${2:-10}
  runs "$name" || return 0
  kill -TERM "$(pid_of "$name")"
  within "$patience" ended "$name" && return
  say "$name did not end within $patience s of being asked"
  slay "$name"
  return 1
}

# slay NAME: ends it at once, without a chance to tidy up.
slay() {
  kill -KILL "$(pid_of "$1")" 2>/dev/null || true
  within 5 ended "$1"
}

# started NAME SECONDS COMMAND...: waits until the command succeeds; a program that ended meanwhile is not waited for.
started() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! runs "$name"; then
      tail -n 20 "$work/log/$name.log" >&2
      die "$name ended just after its start; above is the end of what it said"
    fi
    if ((SECONDS >= deadline)); then
      tail -n 20 "$work/log/$name.log" >&2
      die "$name is not ready in time; above is the end of what it said"
    fi
    sleep 0.1
  done
}

port_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
