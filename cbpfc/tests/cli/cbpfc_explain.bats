#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc --explain.

load cbpfc_helper

setup() {
  world=$(mktemp -d)
  chmod 755 "$world"
  cd "$world" || return
}
teardown() { rm -rf "$world"; }

# has PATTERN: a line that matches the regular expression.
has() {
  grep -qE -- "$1" <<<"$output" || {
    echo "no line matches: $1"
    echo "$output"
    return 1
  }
}

@test "a filter, step by step, with what the kernel says" {
  run_cbpfc --explain ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = Filter ]
  [ "${lines[1]}" = "  ip and udp port 53" ]
  has '^Classic program, 24 instructions$'
  has '^  \(000\) ldh      \[12\]$'
  has '^Phases +decisions +guards +instructions +match +miss$'
  while read -r name _; do has "^  $name +[0-9]+ "; done < <("$cbpfc" --passes)
  has '^Graph after the last phase$'
  has '^ +[0-9]+: return 0x40000$'
  has '^eBPF code +plain +optimised +ratio$'
  has '^  instructions +[0-9]+ +[0-9]+ +[0-9.]+$'
  has '^  executed, match +[0-9.]+ +[0-9.]+ +0\.[0-9]{2}$'
  has '^  executed, miss +[0-9.]+ +[0-9.]+ +0\.[0-9]{2}$'
  has '^  looked at by the verifier +[0-9]+ +[0-9]+ +[0-9.]+$'
  has '^  bytes of machine code +[0-9]+ +[0-9]+ +[0-9.]+$'
  has '^  nanoseconds, match +[0-9.]+ +[0-9.]+ +[0-9.]+$'
  has '^  nanoseconds, miss +[0-9.]+ +[0-9.]+ +[0-9.]+$'
  has '^Verifier, Linux [0-9]'
  has '^  plain      accepted$'
  has '^  optimised  accepted$'
}

@test "the number of instructions is that of the code that is printed" {
  run_cbpfc --explain tcp port 80
  plain=$("$cbpfc" --to ebpf-hex --no-optimize tcp port 80 | wc -l)
  optimised=$("$cbpfc" --to ebpf-hex tcp port 80 | wc -l)
  has "^  instructions +$plain +$optimised +"
}

@test "without rights it says what was not measured, and why" {
  run_unprivileged --explain ip and udp port 53
  [ "$status" -eq 0 ]
  has '^  executed, match +[0-9.]+ +[0-9.]+ '
  has '^Verifier and time$'
  has '^  not asked and not measured: loading programs takes root'
  [[ $output != *nanoseconds* ]]
}

@test "packets of a file are looked at when there is one" {
  make_pcap "$(udp_packet 53)" "$(udp_packet 80)" "$(udp_packet 443)" >in.pcap
  run_cbpfc --explain --match in.pcap ip and udp port 53
  [ "$status" -eq 0 ]
  has '^  packets: the first 1 that match and 2 that do not, from the capture file$'
}

@test "what there is no packet for is not shown" {
  run_cbpfc --explain "1,6 0 0 0"
  [ "$status" -eq 0 ]
  has '^  executed, match +- +- +-$'
}

@test "a set is explained, too" {
  printf 'udp port 53\ntcp port 80\n' >rules
  run_cbpfc --explain --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "Set of 2 filters, with classic instructions" ]
  has '^ +2 +[0-9]+  tcp port 80$'
  has '^  instructions +[0-9]+ +[0-9]+ '
}
