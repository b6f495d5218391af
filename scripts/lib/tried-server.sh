# shellcheck shell=bash
# A server, and people on it, for the scripts that try them in surroundings of their own: sourced, never run.
#
# Needs `bin`, `home` (for what is not the server's) and `data`.
server=

# start: ends with the server's own code where it does not come to serve.
start() {
  rm -f "$home/ready"
  "$bin/sotto-server" serve --data "$data" --listen "127.0.0.1:${port:-0}" --ready-file "$home/ready" \
    >"$home/server.log" 2>&1 </dev/null &
  server=$!
  local _
  for _ in $(seq 300); do
    if [ -s "$home/ready" ]; then
      port=$(grep -o '[0-9]*$' "$home/ready")
      return 0
    fi
    if ! kill -0 "$server" 2>/dev/null; then
      local code=0
      wait "$server" || code=$?
      server=
      return "$code"
    fi
    sleep 0.1
  done
  fail "the server is not ready after 30 seconds: $(cat "$home/server.log")"
}
# end SIGNAL: and waits.
end() {
  kill "-$1" "$server"
  wait "$server" 2>/dev/null || true
  server=
}
# operate COMMAND...: a command on the server's directory.
operate() { "$bin/sotto-server" "$@" --data "$data"; }
# person NAME ARGUMENT...: sotto, as somebody.
person() {
  local profile=$1
  shift
  "$bin/sotto" --profile "$home/$profile" --key-file "$home/$profile.key" --timeout 20 "$@" </dev/null
}
quiet() { person "$@" >/dev/null 2>>"$home/people.log" || fail "$1 could not $2: $(tail -3 "$home/people.log")"; }
# gets NAME WHOM TEXT: somebody has received a text.
gets() { person "$1" read "$2" 2>>"$home/people.log" | grep -q "$3" || fail "$1 did not get '$3'"; }
# meet: Alice and Bob come, and know each other.
meet() {
  local name
  for name in Alice Bob; do quiet "$name" init --name "$name" --server "$(operate invite)"; done
  quiet Bob accept "$(person Alice invite --for Bob 2>>"$home/people.log" | grep -o 'sotto://[^[:space:]]*')"
  quiet Alice sync
  quiet Alice contacts confirm Bob
}
