# Fresh Debian systems to try the package in; read by the tests beside it, which run as root.
#
# It takes debootstrap, systemd-nspawn (Debian's systemd-container) and a mirror of Debian. Each system is made once,
# under target/roots, and never changed afterwards: what a test does in it stays in memory, and is gone with it.

readonly SUITE=${SUITE:-bookworm} ROOTS=target/roots RESULTS=target/package/results

# A system as it is in a container: no systemd, and no documentation.
bare_root() {
  local root=$ROOTS/$SUITE-bare
  if [[ ! -e $root.made ]]; then
    rm -rf "$root" && mkdir -p "$ROOTS"
    debootstrap --variant=minbase "$SUITE" "$root" >"$root.log" 2>&1 || die_with "$root.log" "debootstrap failed"
    printf 'path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n' \
      >"$root/etc/dpkg/dpkg.cfg.d/docker"
    touch "$root.made"
  fi
}

# A system as it is on a server: systemd, and what docs/operations.md takes for granted.
server_root() {
  local root=$ROOTS/$SUITE-server
  if [[ ! -e $root.made ]]; then
    bare_root
    rm -rf "$root"
    cp -a "$ROOTS/$SUITE-bare" "$root"
    rm "$root/etc/dpkg/dpkg.cfg.d/docker"
    systemd-nspawn --quiet --register=no --keep-unit --pipe -D "$root" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -qq -y --no-install-recommends systemd systemd-sysv dbus sudo sqlite3 ca-certificates \
      >"$root.log" 2>&1 </dev/null || die_with "$root.log" "the packages of a server were not installed"
    touch "$root.made"
  fi
}

die_with() {
  [[ ! -e $1 ]] || tail -n 100 "$1" >&2
  echo "FAILED: $2" >&2
  exit 1
}

# Runs packaging/SCRIPT in the system NAME (`bare`, or `server` with its systemd up), and prints what it said where it
# failed. It finds the packages at /packages, this directory at /packaging, and docs at /docs.
run_in() {
  local name=$1 script=$2 status=0
  local log=$RESULTS/$script-$name.log
  local options=(--quiet --register=no --keep-unit --volatile=overlay -D "$ROOTS/$SUITE-$name"
    --bind-ro="$PWD/target/package:/packages" --bind-ro="$PWD/packaging:/packaging" --bind-ro="$PWD/docs:/docs"
    --bind="$PWD/$RESULTS:/results" --setenv=DEBIAN_FRONTEND=noninteractive)
  mkdir -p "$RESULTS" && rm -f "$log"
  echo "/packaging/$script /results/$script-$name.log" >"$RESULTS/next"
  if [[ $name == server ]]; then
    # systemd runs the command when it is up, and ends with its status.
    timeout 240 systemd-nspawn "${options[@]}" --boot systemd.run=/packaging/in-root \
      </dev/null >"$RESULTS/$name.console" 2>&1 || status=$?
  else
    timeout 240 systemd-nspawn "${options[@]}" --pipe /packaging/in-root \
      </dev/null >"$RESULTS/$name.console" 2>&1 || status=$?
  fi
  ((status == 0)) || die_with "$log" "$script in the system \`$SUITE-$name\` (status $status)"
}
