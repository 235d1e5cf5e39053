#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# Filters that are refused, before the hook is looked at.

load helper

setup() {
  make_world
  make_hook
}
teardown() { remove_world; }

# rejected FILTER PATTERN: exit code 1 and one line.
rejected() {
  run_xdpcap "$bpffs/hook" "$file" "$1"
  fails_with 1 "$2"
  nothing_left
}

@test "a syntax error shows the place" {
  run_xdpcap "$bpffs/hook" "$file" "ip and udp prot 53"
  [ "$status" -eq 1 ]
  [[ ${lines[0]} =~ ^xdpcap:\ .*syntax\ error ]]
  [[ $output == *"ip and udp prot 53"* ]]
  [[ $output == *"^"* ]]
  nothing_left
}

@test "the first line of a syntax error is complete, and says it once" {
  run_xdpcap "$bpffs/hook" "$file" "ip and and"
  [ "$status" -eq 1 ]
  [ "${#lines[@]}" -eq 3 ]
  [ "${lines[0]}" = 'xdpcap: filter: expression "ip and and": syntax error at column 8, at "and"' ]
}

@test "a long filter makes no long message" {
  filter=$(printf 'port %d or ' $(seq 1000 2000))
  run_xdpcap "$bpffs/hook" "$file" "$filter prot 53"
  [ "$status" -eq 1 ]
  [ "${#lines[@]}" -eq 3 ]
  [ "${#lines[0]}" -lt 300 ]
  [ "${#output}" -lt 600 ]
}

@test "control characters of a filter do not reach the terminal" {
  for filter in $'ip \033[31m and' $'host \033]0;x\007' $'\033'; do
    run_xdpcap "$bpffs/hook" "$file" "$filter"
    [ "$status" -eq 1 ]
    [[ $output == *"?"* ]]
    [[ $output != *[$'\033\007']* ]]
  done
  run_xdpcap $'\033[31m' "$file" ip
  fails_with 1 '\?\[31m'
}

# The 8-bit CSI as a byte and as UTF-8; and the override that shows the rest of a line from right to left.
@test "what else a terminal obeys does not reach it" {
  local LC_ALL=C
  for text in $'\x9b31m' $'\xc2\x9b31m' $'\xe2\x80\xae31m'; do
    run_xdpcap "$text" "$file" ip
    fails_with 1 '\?31m'
    run_xdpcap "$bpffs/hook" "$file" "host $text"
    [ "$status" -eq 1 ]
    [[ $output == *"?31m"* ]]
    [[ $output != *$'\x9b'* ]]
    [[ $output != *$'\xae'* ]]
    run_xdpcap "-$text"
    [ "$status" -eq 2 ]
    [[ $output == *"?31m"* ]]
  done
}

@test "signals end the compilation of a filter" {
  filter="port 1"
  for port in $(seq 3 2 2699); do filter+=" or port $port"; done
  filter="not vlan and ($filter)"  # which libpcap has to take whole
  for signal in INT TERM HUP; do
    run timeout -k 5 -s $signal 1 "$xdpcap" "$bpffs/hook" "$file" "$filter"
    echo "$signal: $status"
    [ "$status" -eq 124 ]
  done
  nothing_left
}

@test "a syntax error in words that are joined" {
  run_xdpcap "$bpffs/hook" "$file" ip and and udp
  [ "$status" -eq 1 ]
  [[ $output == *"ip and and udp"* ]]
}

@test "an expression the link type has no meaning for" {
  run_xdpcap -linktype RAW "$bpffs/hook" "$file" "ether host 1:2:3:4:5:6"
  [ "$status" -eq 1 ]
  [[ ${lines[0]} =~ ^xdpcap:\  ]]
}

@test "an empty program" {
  rejected "0" "filter program: "
  rejected "0," "filter program: "
}

@test "a program whose count disagrees" {
  rejected "3,40 0 0 12,6 0 0 0" "filter program: .*"
  rejected "1,40 0 0 12,6 0 0 0" "filter program: .*"
}

@test "a jump that leads outside" {
  rejected "2,5 0 0 9,6 0 0 0" "filter program: instruction 0: "
  rejected "2,21 0 1 9,6 0 0 0" "filter program: instruction 0: "
}

@test "a program that does not end with return" {
  rejected "2,6 0 0 0,40 0 0 12" "filter program: instruction 1: "
}

@test "scratch memory that does not exist" {
  rejected "2,96 0 0 16,6 0 0 0" "filter program: instruction 0: "
  rejected "2,2 0 0 16,6 0 0 0" "filter program: instruction 0: "
}

@test "scratch memory that was never written" {
  rejected "2,96 0 0 3,6 0 0 0" "filter program: instruction 0: "
}

@test "an unknown opcode" {
  rejected "2,255 0 0 0,6 0 0 0" "filter program: instruction 0: .*"
}

@test "division by zero" {
  rejected "2,52 0 0 0,6 0 0 0" "filter program: instruction 0: "
}

@test "a program as tcpdump -ddd prints it, on several lines" {
  rejected $'2\n40 0 0 12\n255 0 0 0' "filter program: instruction 1: "
}
