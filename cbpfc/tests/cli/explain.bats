#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc --explain.

load helper

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

@test "a filter, step by step" {
  run_cbpfc --explain ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = Filter ]
  [ "${lines[1]}" = "  ip and udp port 53" ]
  has '^Classic program, 24 instructions$'
  has '^  \(000\) ldh      \[12\]$'
  has '^Phases +decisions +guards +instructions$'
  has '^  lift +[0-9]+ +[0-9]+ +[0-9]+$'
  has '^Graph after the last phase$'
  has '^ +[0-9]+: return 0x40000$'
  has '^eBPF code +plain +optimised +ratio$'
  [[ $output != *nanoseconds* ]]
}

@test "the number of instructions is that of the code that is printed" {
  for options in "" "--branch" "--registers spare=R8:R9" "--access buffer=1500"; do
    # shellcheck disable=SC2086
    run_cbpfc --explain $options tcp port 80
    # shellcheck disable=SC2086
    plain=$("$cbpfc" --to ebpf-hex $options --no-optimize tcp port 80 | wc -l)
    # shellcheck disable=SC2086
    optimised=$("$cbpfc" --to ebpf-hex $options tcp port 80 | wc -l)
    has "^  instructions +$plain +$optimised +[0-9.]+$"
  done
}

@test "a set is explained, too" {
  printf 'udp port 53\ntcp port 80\n' >rules
  run_cbpfc --explain --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "Set of 2 filters, with classic instructions" ]
  has '^ +2 +[0-9]+  tcp port 80$'
  has '^  instructions +[0-9]+ +[0-9]+ '
}
