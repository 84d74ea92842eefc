# What the tests of the package have in common within a fresh system.

set -E
trap 'echo "FAILED: $BASH_COMMAND (${BASH_SOURCE[0]}, line $LINENO)"' ERR

fail() {
  echo "FAILED: $*"
  exit 1
}

mode() {
  stat -c '%a %U %G' "$1"
}

# Every process of the installed program, or of one that was replaced.
processes() {
  local process
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/exe") != /usr/bin/rollcall* ]] || echo "${process##*/}"
  done
}

# Tries a command ten times a second, for ten seconds.
eventually() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    ! "$@" || return 0
    sleep 0.1
  done
  fail "this never came true: $*"
}

# A simulated Zoom, run from a program that is not the installed one, and the config that it prints.
serve_zoom() {
  cp /usr/bin/rollcall /root/zoom
  /root/zoom demo --serve 127.0.0.1:0 >/root/zoom.toml &
  eventually grep -q timezone /root/zoom.toml
}

# `config DATABASE`: a config for that Zoom, without the secret, and with nothing to start before it is told to.
config() {
  sed -e "s|^path = .*|path = \"$1\"|" -e '/^client_secret = /d' /root/zoom.toml
}

secret() {
  sed -n 's/^client_secret = "\(.*\)"/\1/p' /root/zoom.toml
}

state_of() {
  systemctl show --property ActiveState --value "$1"
}

pid_of() {
  systemctl show --property MainPID --value "$1"
}

good_run() {
  [[ $(sqlite3 -readonly "/var/lib/rollcall/$1" "SELECT count(*) FROM runs WHERE outcome = 'ok'") -ge 1 ]]
}
