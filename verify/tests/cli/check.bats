#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc-check but for match, which has files of its own.

load ../../../cbpfc/tests/cli/helper

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

# check_refused PATTERN SUBCOMMAND ARGUMENTS: a wrong command line.
check_refused() {
  local pattern=$1
  shift
  run_check "$@"
  fails_with 2 "$pattern; cbpfc-check( $1)? --help tells more\$"
}

@test "help goes to standard output, for each subcommand, and fits a screen" {
  for option in -h -help --help; do
    [ "$("$cbpfc_check" $option 2>/dev/null | head -n 1)" = "Usage: cbpfc-check <subcommand> [options] [<operands>]" ]
  done
  for subcommand in prove match time phases; do
    [[ $("$cbpfc_check" $subcommand --help | head -n 1) == "Usage: cbpfc-check $subcommand [options] "* ]]
    [[ $("$cbpfc_check" --help) == *"  $subcommand "* ]]
  done
  run_check --version
  [ "${lines[0]}" = "cbpfc-check $XDPCAP_VERSION" ]
}

@test "wrong command lines" {
  check_refused "no subcommand"
  check_refused 'there is no subcommand "ip"' ip
  check_refused "unknown option --match" prove --match in.pcap ip
  check_refused "option --registers end=REG: compile filter: .*" prove --registers end=R2 ip
  check_refused 'option --after: there is no phase "nonsense", only lift, .*' phases --after nonsense ip
}

@test "what cannot be written is an error" {
  for arguments in --help --version "prove --help" "prove ip" "phases ip"; do
    run bash -c "'$cbpfc_check' $arguments >/dev/full"
    [ "$status" -eq 1 ]
    [ "$output" = "cbpfc-check: write to standard output: No space left on device" ]
  done
}

@test "proofs" {
  run_check prove ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = proven ]
  run_check prove --no-optimize --branch --registers working=R9:R8:R7:R6 ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = proven ]
  printf 'udp port 53\ntcp\n' >rules
  run_check prove --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = proven ]
}

@test "every phase that is listed can be looked at" {
  run_check phases tcp port 80
  [ "$status" -eq 0 ]
  has '^Phases +decisions +guards +instructions$'
  names=$(sed -nE 's/^  ([a-z0-9-]+) +[0-9]+ +[0-9]+ +[0-9]+$/\1/p' <<<"$output")
  [ "$(wc -l <<<"$names")" -gt 3 ]
  for name in $names; do
    [ "$name" = lift ] || has "^  $name +[a-z]"
    [[ $("$cbpfc_check" phases --after "$name" tcp port 80) == *"return "* ]]
  done
  run_check phases --after lift --dot tcp port 80
  [[ ${lines[0]} == digraph* ]]
  [ "${lines[-1]}" = "}" ]
}

@test "what a filter costs, with what the kernel says" {
  run_check time ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "ip and udp port 53" ]
  has '^Executed after +instructions +match +miss$'
  has '^  lift +[0-9]+ +[0-9.]+ +[0-9.]+$'
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

@test "without rights it says what was not measured, and why" {
  run_check_unprivileged time ip and udp port 53
  [ "$status" -eq 0 ]
  has '^  executed, match +[0-9.]+ +[0-9.]+ '
  has '^Verifier and time$'
  has '^  not asked and not measured: loading programs takes root'
  [[ $output != *nanoseconds* ]]
}

@test "packets of a file are timed when there is one" {
  make_pcap "$(udp_packet 53)" "$(udp_packet 80)" "$(udp_packet 443)" >in.pcap
  run_check time --match in.pcap ip and udp port 53
  [ "$status" -eq 0 ]
  has '^  packets: the first 1 that match and 2 that do not, from the capture file$'
}

@test "what there is no packet for is not shown" {
  run_check time "1,6 0 0 0"
  [ "$status" -eq 0 ]
  has '^  executed, match +- +- +-$'
}

@test "a set is timed, too" {
  printf 'udp port 53\ntcp port 80\n' >rules
  run_check time --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "set of 2 filters" ]
  has '^  instructions +[0-9]+ +[0-9]+ '
}
