# SPDX-License-Identifier: BSD-3-Clause
#
# For every .bats file here.  XDPCAP_TOOLS is the directory of the built tools, XDPCAP_EXAMPLES that of the
# example programs, XDPCAP_VERSION what --version says; all set by CTest.  Needs root.
#
# shellcheck disable=SC2154  # bats sets status and lines

PATH=$PATH:/usr/sbin:/sbin
xdpcap=${XDPCAP_TOOLS:?where the built tools are}/xdpcap

# A BPF file system of our own, with a hook that nobody owns, and a place for output files.
make_world() {
  world=$(mktemp -d /tmp/xdpcap_cli_XXXXXX) # no dot: libbpf makes "_" of it in pins
  chmod 755 "$world"
  bpffs=$world/bpf
  file=$world/out.pcap
  mkdir "$bpffs"
  mount -t bpf bpf "$bpffs"
  chmod 755 "$bpffs"
}

remove_world() {
  umount "$bpffs"
  rm -rf "$world"
}

make_hook() { # [slots]
  bpftool map create "$bpffs/hook" type prog_array key 4 value 4 entries "${1:-5}" name test_hook
}

# run_xdpcap ARGUMENTS: its exit code in $status, what it said in $output and, by line, in $lines.
run_xdpcap() {
  run timeout 20 "$xdpcap" "$@"
}

# fails_with CODE PATTERN: that exit code, and exactly one line, which starts with the program's name
# and matches the regular expression.
fails_with() {
  if [ "$status" -ne "$1" ] || [ "${#lines[@]}" -ne 1 ] || [[ ! ${lines[0]} =~ ^xdpcap:\ .*$2 ]]; then
    echo "wanted exit code $1 and one line with: $2"
    echo "got exit code $status and:"
    printf '%s\n' "${lines[@]}"
    return 1
  fi
}

nothing_left() {
  if [ -e "$file" ]; then
    echo "an output file is left: $file"
    return 1
  fi
  # Programs and maps go a moment after the process: the kernel waits for their last user.
  local left
  for _ in $(seq 30); do
    left=$(bpftool prog show | grep -E 'name xdpcap_(probe|aborted|drop|pass|tx|redirect|action)'
           bpftool map show | grep -E 'name xdpcap_(ring|counters)') || true
    [ -z "$left" ] && return 0
    sleep 0.1
  done
  echo "BPF objects are left: $left"
  return 1
}
