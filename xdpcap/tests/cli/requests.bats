#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# What xdpcap does besides capturing: the words of -list, -status, -detach and -diagnose, and hooks on which there is
# nothing to do.

load helper

setup() { make_world; }
teardown() { remove_world; }

# refused ARGUMENTS... -- PATTERN
refused() {
  local arguments=()
  while [ "$1" != -- ]; do
    arguments+=("$1")
    shift
  done
  run_xdpcap "${arguments[@]}"
  fails_with 2 "$2"
}

@test "a word is missing" {
  refused -status -- "<hook> is missing; usage: xdpcap -status \[-json\] <hook>"
  refused -detach -- "<hook> is missing; usage: xdpcap -detach <hook> \[<pid>\]"
  refused -diagnose -- "<hook> is missing; usage: xdpcap -diagnose <hook> \[<filter>\]"
  refused -status "" -- "<hook> is missing"
}

@test "a word too many" {
  refused -list hook -- "\"hook\" is one word too many; usage: xdpcap -list \[-json\]"
  refused -status hook more -- "\"more\" is one word too many; usage: xdpcap -status"
  refused -detach hook 12 13 -- "\"13\" is one word too many; usage: xdpcap -detach"
}

@test "pids" {
  for bad in 0 -1 x 1.5 "" 4194305 99999999999; do
    refused -detach hook "$bad" -- "<pid>: .*from 1 to 4194304"
  done
}

@test "requests exclude each other" {
  for other in -status -detach -diagnose; do
    refused -list "$other" hook -- "-list, -status, -detach and -diagnose exclude each other"
  done
  refused -status -detach hook -- "exclude each other; give one of them"
}

@test "a request that is switched off is none" {
  refused -list=false -- "<hook> is missing; usage: xdpcap \[options\] <hook> <output>"
}

@test "json is of -list and -status" {
  refused -json -- "option -json: it goes with -list and -status; for statistics use -stats-json"
  refused -json hook file -- "option -json: it goes with"
  refused -json -detach hook -- "option -json: it goes with"
  refused -json -diagnose hook -- "option -json: it goes with"
  refused -passive hook out -- "option -passive: it goes with -diagnose"
}

@test "what to do about others, and where they are met" {
  refused -on-busy nonsense hook file -- "option -on-busy: \"nonsense\" is not known; it can be chain, fail or replace"
  refused -on-busy "" hook file -- "option -on-busy: \"\" is not known"
  refused -Z "" hook file -- "option -Z: no user is given"
}

@test "modes of files" {
  for bad in "" 8 0888 1777 -1 0x1 rw; do
    refused -mode "$bad" hook file -- "option -mode: \"$bad\" is not an octal number from 0 to 0777; give one"
  done
  refused -mode 0644 -count hook -- "option -count: -mode has no effect"
}

@test "a filter for -diagnose is checked before anything is looked at" {
  run_xdpcap -diagnose "$bpffs/nothing" "ip and and"
  [ "$status" -eq 1 ]
  [[ ${lines[0]} == *"syntax error"* ]]
}

@test "no such hook" {
  for request in -status -detach -diagnose; do
    run_xdpcap $request "$bpffs/nothing"
    fails_with 1 "$bpffs/nothing: .*no such"
  done
}

@test "a list without hooks of ours" {
  run_xdpcap -list
  [ "$status" -eq 0 ]
  [[ $output != *"$bpffs"* ]]
  run_xdpcap -list -json
  [ "$status" -eq 0 ]
  [[ $output != *"$bpffs"* ]]
}

@test "a list where no BPF file system is mounted says that it shows no pins" {
  # shellcheck disable=SC2016  # for the other shell
  run unshare --mount bash -c 'umount --all --types bpf && exec timeout 20 "$0" -list' "$xdpcap"
  [ "$status" -eq 0 ]
  [[ ${lines[0]} == "xdpcap: warning: no BPF file system is mounted where this process sees it"* ]]
}

@test "a machine without hooks says so" {
  run_xdpcap -list -json
  # Somebody else's may be there.
  if [ -z "$output" ]; then
    run_xdpcap -list
    [ "$output" = "no hooks: no program array is used by an XDP program, and none is pinned that could be" ]
  fi
}

@test "the status of a hook that no program owns" {
  bpftool map create "$bpffs/hook" type prog_array key 4 value 4 entries 5 name xdpcap_test
  run_xdpcap -status "$bpffs/hook"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "$bpffs/hook" ]
  [[ ${lines[1]} =~ ^\ \ map\ +[0-9]+\ \"xdpcap_test\",\ 5\ slots$ ]]
  [ "${lines[2]}" = "  program   none: until one that calls this hook is loaded, no capture can enter" ]
  [ "${lines[3]}" = "  capture   none" ]
  [ "${#lines[@]}" -eq 4 ]
  run_xdpcap -json -status "$bpffs/hook"
  [ "$status" -eq 0 ]
  [[ $output == "{\"map_id\":"*",\"is_owned\":false,\"is_hook\":true,"*",\"users\":[],"*"\"captures\":[],\"captures_unknown\":null}" ]]
  # Looking has not made xdpcap its owner.
  bpftool prog load "$XDPCAP_EXAMPLES/minimal.o" "$bpffs/program" type xdp map name xdpcap_hook pinned "$bpffs/hook"
  run_xdpcap -status "$bpffs/hook"
  [[ ${lines[2]} =~ ^\ \ program\ +[0-9]+\ \" ]]
}

@test "the status of a program array that nothing shows to be a hook" {
  make_hook
  run_xdpcap -status "$bpffs/hook"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "$bpffs/hook: program array, not a hook" ]
  [ "${lines[1]}" = "  because   no loaded program makes a tail call into it" ]
  [[ ${lines[2]} =~ ^\ \ map\ +[0-9]+\ \"test_hook\",\ 5\ slots$ ]]
  [ "${#lines[@]}" -eq 3 ]
}

@test "detaching from a hook without captures" {
  make_hook
  run_xdpcap -detach "$bpffs/hook"
  [ "$status" -eq 0 ]
  [ "$output" = "xdpcap: hook $bpffs/hook: no capture is running on it" ]
  run_xdpcap -q -detach "$bpffs/hook"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  run_xdpcap -detach "$bpffs/hook" 1
  fails_with 1 "no capture with pid 1 is on it; xdpcap -status $bpffs/hook shows those that are"
}

@test "diagnosing a hook that nobody owns" {
  make_hook
  run_xdpcap -diagnose "$bpffs/hook"
  [ "$status" -eq 1 ]
  [[ $output == *"no  a program owns the hook: none that calls it has been loaded"* ]]
  [ "${lines[-1]}" = "no program owns the hook: none that calls it has been loaded yet" ]
}

@test "not root: lists are root's" {
  cp "$xdpcap" "$world/xdpcap"
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$world/xdpcap" -list
  fails_with 1 "list the hooks of this machine: .*CAP_SYS_ADMIN"
}

@test "a standard output that takes nothing is an error" {
  make_hook
  for request in -list "-status $bpffs/hook" "-diagnose $bpffs/hook"; do
    run bash -c "'$xdpcap' $request > /dev/full"
    [ "$status" -eq 1 ]
    [ "$output" = "xdpcap: write to standard output: No space left on device" ]
  done
}
