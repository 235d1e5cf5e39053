#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# Hooks that are refused.

load helper

setup() { make_world; }
teardown() { remove_world; }

# refused PATH PATTERN
refused() {
  run_xdpcap "$1" "$file" "ip"
  fails_with 1 "$2"
  nothing_left
}

@test "no such hook" {
  refused "$bpffs/nothing" "$bpffs/nothing: .*no such"
}

@test "a directory" {
  refused "$bpffs" "$bpffs: .*directory"
}

@test "a file that is not in a BPF file system" {
  touch "$world/file"
  refused "$world/file" "$world/file: .*BPF file system"
}

@test "a map of another type" {
  bpftool map create "$bpffs/other" type hash key 4 value 4 entries 5 name test_other
  refused "$bpffs/other" "$bpffs/other: .*hash.*program array"
}

@test "a hook nobody owns" {
  make_hook
  refused "$bpffs/hook" "$bpffs/hook: .*no XDP program uses it yet.* -wait"
}

@test "a hook nobody owns leaves an output file that exists alone" {
  make_hook
  echo precious > "$world/precious"
  run_xdpcap "$bpffs/hook" "$world/precious" ip
  [ "$status" -eq 1 ]
  [ "$(cat "$world/precious")" = precious ]
}

@test "an action without a slot" {
  make_hook 2
  run_xdpcap -actions pass "$bpffs/hook" "$file"
  fails_with 1 "has 2 slots, and none for XDPPass"
  nothing_left
}

@test "fewer than five slots are warned about" {
  make_hook 3
  run_xdpcap "$bpffs/hook" "$file"
  [ "$status" -eq 1 ]
  [[ ${lines[0]} == *"warning: hook $bpffs/hook has 3 slots; packets with XDPTx, XDPRedirect cannot be seen" ]]
  [[ ${lines[1]} == *"no XDP program uses it yet"* ]]
}

@test "one slot is one slot" {
  make_hook 1
  run_xdpcap "$bpffs/hook" "$file"
  [[ ${lines[0]} == *"warning: hook $bpffs/hook has 1 slot; packets with XDPDrop, XDPPass, XDPTx, XDPRedirect cannot be seen" ]]
  run_xdpcap -actions drop "$bpffs/hook" "$file"
  fails_with 1 "has 1 slot, and none for XDPDrop"
}

@test "waiting for an owner ends with a signal" {
  make_hook
  for signal in INT TERM HUP; do
    run timeout --preserve-status -s $signal 1 "$xdpcap" --wait "$bpffs/hook" "$file"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
  done
  nothing_left
}

@test "waiting starts only with an output that can be written" {
  make_hook
  run timeout 5 "$xdpcap" --wait "$bpffs/hook" /nonexistent/dir/x
  fails_with 1 "create output file /nonexistent/dir/x: .*does not exist"
  run timeout 5 "$xdpcap" --wait "$bpffs/hook" "$world"
  fails_with 1 "create output file $world: .*is a directory"
  echo precious > "$file"
  run timeout --preserve-status -s TERM 1 "$xdpcap" --wait "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [ "$(cat "$file")" = precious ]
}

@test "not root: a pin that only root may read" {
  make_hook
  cp "$xdpcap" "$world/xdpcap"
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$world/xdpcap" "$bpffs/hook" "$file"
  fails_with 1 "may not read and write the pin .*, of user 0 with mode 0[0-7]*, and this process lacks CAP_BPF and .*; run as root, or .*chown 65534 "
  nothing_left
}

@test "not root: a BPF file system that only root may enter" {
  make_hook
  cp "$xdpcap" "$world/xdpcap"
  chmod 700 "$bpffs"
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$world/xdpcap" "$bpffs/hook" "$file"
  fails_with 1 "may not enter a directory .*$bpffs, of user 0 with mode 0700, and this process lacks CAP_BPF and .*; run as root, or .*chmod a.x "
  nothing_left
}
