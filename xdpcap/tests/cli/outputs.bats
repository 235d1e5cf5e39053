#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# On a hook that a program of examples/ owns: outputs that are refused, slots and rights that are
# missing, captures that end.

load helper

setup() {
  make_world
  bpftool prog load "$XDPCAP_EXAMPLES/minimal.o" "$bpffs/program" type xdp pinmaps "$bpffs"
  mv "$bpffs/xdpcap_hook" "$bpffs/hook"
}
# What a failed test leaves running would keep bats waiting.
teardown() {
  local running
  mapfile -t running < <(jobs -p)
  [ "${#running[@]}" -eq 0 ] || kill -KILL "${running[@]}" 2>/dev/null || true
  remove_world
}

# refused PATH PATTERN
refused() {
  run_xdpcap "$bpffs/hook" "$1" "ip"
  fails_with 1 "$2"
  nothing_left
}

@test "a directory that does not exist" {
  refused "$world/missing/out.pcap" "$world/missing/out.pcap: .*does not exist"
}

@test "a directory" {
  refused "$world" "$world: .*is a directory"
}

@test "something that is no directory on the way" {
  touch "$world/file"
  refused "$world/file/out.pcap" "$world/file/out.pcap: .*not a directory"
}

@test "a file system that is read-only" {
  mkdir "$world/readonly"
  mount -t tmpfs -o ro tmpfs "$world/readonly"
  run_xdpcap "$bpffs/hook" "$world/readonly/out.pcap"
  umount "$world/readonly"
  fails_with 1 "read-only"
  nothing_left
}

@test "a link that others may have put there" {
  mkdir -m 1777 "$world/shared"
  echo precious > "$world/victim"
  ln -s "$world/victim" "$world/shared/out.pcap"
  ln -s "$world" "$world/shared/way"
  refused "$world/shared/out.pcap" "$world/shared/out.pcap is a symbolic link that others may have put there: "
  refused "$world/shared/way/victim" "$world/shared/way is a symbolic link that others may have put there: "
  run_xdpcap -wait "$bpffs/hook" "$world/shared/out.pcap"
  fails_with 1 "$world/shared/out.pcap is a symbolic link"
  run_xdpcap -stats-prometheus "$world/shared/out.pcap" "$bpffs/hook" "$file"
  fails_with 1 "option -stats-prometheus: create .*$world/shared/out.pcap is a symbolic link"
  nothing_left
  [ "$(cat "$world/victim")" = precious ]
}

@test "a directory of another user: neither links nor files nor pipes of theirs" {
  mkdir "$world/home"
  chown 1000 "$world/home"
  echo precious > "$world/victim"
  ln -s "$world/victim" "$world/home/link"
  touch "$world/home/file"
  mkfifo "$world/home/pipe"
  chown -h 1000 "$world/home"/*
  refused "$world/home/link" "home/link is a symbolic link that others may have put there: the directory $world/home/ belongs to user 1000"
  refused "$world/home/file" "home/file: it belongs to user 1000, and others may have put it there"
  refused "$world/home/pipe" "home/pipe: it belongs to user 1000, and others may have put it there"
  [ "$(cat "$world/victim")" = precious ]
  [ ! -s "$world/home/file" ]
}

# mode_of ARGUMENTS: the permissions of the file that a short capture creates
mode_of() {
  (umask 002 && timeout --preserve-status -s TERM 1 "$xdpcap" -q "$@" "$bpffs/hook" "$file")
  stat -c %a "$file"
  rm "$file"
}

@test "a file that is created is the owner's, or has the mode that is asked for" {
  [ "$(mode_of)" = 600 ]
  [ "$(mode_of -mode 0666)" = 666 ]
}

@test "standard output by its name in /dev, and a pipe of the shell" {
  run timeout 20 bash -c "'$xdpcap' -c 1 '$bpffs/hook' /dev/stdout | true"
  [ "$status" -eq 0 ]
  run timeout --preserve-status -s TERM 2 bash -c "exec '$xdpcap' -q '$bpffs/hook' >(trap '' TERM; exec wc -c >'$world/size')"
  [ "$status" -eq 0 ]
  sleep 0.5
  [ "$(cat "$world/size")" -gt 100 ]
}

@test "a full device" {
  refused /dev/full "/dev/full: .*[Nn]o space"
}

@test "a full file system: nothing is left of the file" {
  mkdir "$world/full"
  mount -t tmpfs -o size=4k,nr_inodes=10 tmpfs "$world/full"
  head -c 4096 /dev/zero > "$world/full/zeros"
  run_xdpcap "$bpffs/hook" "$world/full/out.pcap"
  left=$(ls "$world/full")
  umount "$world/full"
  fails_with 1 "[Nn]o space"
  [[ $output != *"last whole packet"* ]]
  [ "$left" = zeros ]
}

@test "a closed standard output" {
  run timeout 20 bash -c "'$xdpcap' '$bpffs/hook' - >&-"
  fails_with 1 "standard output: it is not open"
  nothing_left
}

@test "a reader that has gone is a normal end" {
  run timeout 20 bash -c "set -o pipefail; '$xdpcap' -q '$bpffs/hook' - | true"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  nothing_left
}

@test "a named pipe nobody reads can be interrupted" {
  mkfifo "$world/pipe"
  run timeout --preserve-status -s INT 1 "$xdpcap" "$bpffs/hook" "$world/pipe"
  [ "$status" -eq 0 ]
  nothing_left
}

@test "a quiet capture ends with its totals" {
  run timeout --preserve-status -s TERM 1 "$xdpcap" "$bpffs/hook" "$world/file.pcap"
  [ "$status" -eq 0 ]
  [ "${lines[-1]}" = "0 packets received, 0 matched, 0 written, 0 lost" ]
  nothing_left
}

@test "a standard error that nobody reads does not keep a capture" {
  mkfifo "$world/errors"
  exec 8<>"$world/errors"
  dd if=/dev/zero of="$world/errors" bs=4096 count=16 oflag=nonblock status=none
  run timeout --preserve-status -k 5 -s TERM 3 \
    bash -c "exec '$xdpcap' '$bpffs/hook' '$world/file.pcap' 2>'$world/errors'"
  exec 8>&-
  [ "$status" -eq 0 ]
  nothing_left
}

@test "the words of -v" {
  run timeout --preserve-status -s TERM 3 "$xdpcap" -v "$bpffs/hook" "$world/file.pcap" ip
  [ "$status" -eq 0 ]
  [[ $output == *"link type EN10MB, filter 4 classic instructions"$'\n'* ]]
}

@test "a hook that is captured from already, for who wants it alone" {
  "$xdpcap" -q "$bpffs/hook" "$world/first.pcap" &
  first=$!
  sleep 0.5
  run_xdpcap -on-busy fail "$bpffs/hook" "$file"
  kill -TERM $first
  wait $first
  fails_with 1 "another capture is running: pid $first \(.* -q $bpffs/hook $world/first.pcap\); end it, or share"
  nothing_left
}

# await_bytes FILE: until something is in it
await_bytes() {
  for _ in $(seq 50); do
    [ -s "$1" ] && return 0
    sleep 0.1
  done
  echo "nothing came into $1"
  return 1
}

@test "an output that another capture writes to, by any name" {
  mkdir "$world/other"
  ln -s "$file" "$world/other/soft"
  "$xdpcap" -q "$bpffs/hook" "$file" &
  first=$!
  await_bytes "$file"
  before=$(stat -c %s "$file")
  for name in "$file" "$world/other/soft"; do
    run_xdpcap "$bpffs/hook" "$name"
    fails_with 1 "write to $name: process $first is writing to it already; choose another output, or end that first"
  done
  run timeout 20 bash -c "'$xdpcap' '$bpffs/hook' - >>'$file'"
  fails_with 1 "write to standard output: process $first is writing to it already"
  run_xdpcap -ring 1M "$bpffs/hook" "$file"
  fails_with 1 "write to $file: process $first is writing to it already"
  [ "$(stat -c %s "$file")" -eq "$before" ]
  tcpdump -r "$file" # a reader is not kept out
  kill -TERM $first
  wait $first
  # The lock goes with its process: an old file may be written over.
  run timeout --preserve-status -s TERM 1 "$xdpcap" -q "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [ "$(tcpdump -r "$file" 2>/dev/null | wc -l)" -eq 0 ]
  rm "$file"
  nothing_left
}

@test "a standard output or named pipe that another capture writes to; a device is everybody's" {
  run timeout --preserve-status -s TERM 3 bash -c "
    exec > '$file'
    trap 'kill %1' TERM
    '$xdpcap' -q '$bpffs/hook' - & first=\$!
    sleep 1
    '$xdpcap' -q '$bpffs/hook' -
    echo \"\$? \$first\" >&2
    kill %1; wait"
  [[ ${lines[0]} == "xdpcap: write to standard output: process "*" is writing to it already;"* ]]
  [[ ${lines[1]} == "1 "* ]]
  rm "$file"
  mkfifo "$world/pipe"
  cat "$world/pipe" > "$world/read" &
  "$xdpcap" -q "$bpffs/hook" "$world/pipe" &
  first=$!
  await_bytes "$world/read"
  run_xdpcap "$bpffs/hook" "$world/pipe"
  fails_with 1 "write to $world/pipe: process $first is writing to it already"
  kill -TERM $first
  wait $first
  "$xdpcap" -q "$bpffs/hook" /dev/null &
  first=$!
  run timeout --preserve-status -s TERM 1 "$xdpcap" -q "$bpffs/hook" /dev/null
  kill -TERM $first
  wait $first
  [ "$status" -eq 0 ]
  nothing_left
}

@test "slots that are taken by somebody else" {
  bpftool map update pinned "$bpffs/hook" key 2 0 0 0 value pinned "$bpffs/program"
  run_xdpcap -on-busy fail "$bpffs/hook" "$file"
  bpftool map delete pinned "$bpffs/hook" key 2 0 0 0
  fails_with 1 "slot XDPPass is taken by program [0-9]+ .*bpftool map delete pinned $bpffs/hook key 2 0 0 0"
  nothing_left
}

@test "not root: the missing capability is named" {
  chmod 777 "$world"
  chmod 666 "$bpffs/hook"
  cp "$xdpcap" "$world/xdpcap"
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$world/xdpcap" "$bpffs/hook" "$file"
  fails_with 1 "CAP_"
  nothing_left
}
