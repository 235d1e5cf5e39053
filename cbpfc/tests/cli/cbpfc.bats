#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc as a filter: what it reads, what it prints, what it exits with.

load helper

setup() {
  world=$(mktemp -d)
  cd "$world" || return
}
teardown() { rm -rf "$world"; }

@test "help goes to standard output, in every spelling, and fits a terminal" {
  for option in -h -help --help; do
    [ "$("$cbpfc" $option 2>/dev/null | head -n 1)" = "Usage: cbpfc [options] [<expression>]" ]
  done
  run_cbpfc --help
  [ "$status" -eq 0 ]
  for line in "${lines[@]}"; do [ "${#line}" -le 80 ]; done
  [ "$("$cbpfc" --help | wc -l)" -le 40 ]
}

@test "it needs neither Z3 nor what captures" {
  for library in z3 seccomp; do
    run bash -c "ldd '$cbpfc' | grep $library"
    [ "$status" -eq 1 ]
  done
}

@test "version names cbpfc and libpcap" {
  run_cbpfc --version
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "cbpfc $XDPCAP_VERSION" ]
  [[ ${lines[1]} == "libpcap version "* ]]
  [ "${#lines[@]}" -eq 2 ]
}

@test "the listing says how to embed the fragment" {
  run_cbpfc ip and udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "; ip and udp port 53" ]
  [[ ${lines[1]} == "; before: r2 the packet's first byte, r3 behind its last" ]]
  [[ ${lines[2]} == "; after:  goes on at "*", with the filter's value, 0 for no match, in r4" ]]
  [ "${lines[3]}" = "; may overwrite r4 r5 r6 r7" ]
  [[ ${lines[4]} == "   0: ("* ]]
}

@test "the digits are those of the listing, and nothing else" {
  for options in "" "--no-optimize" "--branch" "--registers result=R0,start=R8"; do
    # shellcheck disable=SC2086
    "$cbpfc" --to ebpf-hex $options tcp port 80 >digits
    # shellcheck disable=SC2086
    "$cbpfc" $options tcp port 80 >listing
    [ "$(grep -vcE '^[0-9a-f]{16}$' digits)" -eq 0 ]
    [ "$(wc -l <digits)" -eq "$(grep -vc '^;' listing)" ]
    diff <(cut -c 1-2 digits) <(sed -n 's/^ *[0-9]*: (\(..\)).*/\1/p' listing)
  done
  # By hand: w4 = 262144 (0x00040000).
  [ "$("$cbpfc" --to ebpf-hex '' | head -n 1)" = b404000000000400 ]
}

@test "the places a branching fragment ends at are named" {
  run_cbpfc --branch ip
  end=$(grep -vc '^;' <<<"$output")
  [ "${lines[2]}" = "; after:  a match goes on at $end, a miss at $((end + 1))" ]
}

@test "registers are as asked for" {
  run_cbpfc --registers start=R6,end=R7,result=R0,working=R0:R1:R8:R9,spare=R2:R3,length=R5 greater 100
  [ "$status" -eq 0 ]
  [ "${lines[1]}" = "; before: r6 the packet's first byte, r7 behind its last, r5 its whole length" ]
  [ "${lines[3]}" = "; may overwrite r0 r1 r2 r3 r8 r9" ]
  [[ $output != *r4* ]]
}

@test "classic programs are printed as tcpdump prints them" {
  for expression in "ip and udp port 53" "host 192.0.2.1 and not tcp port 80"; do
    for pair in listing:-d c:-dd decimal:-ddd; do
      diff <("$cbpfc" --to cbpf --form "${pair%:*}" "$expression") \
        <(tcpdump -O -y EN10MB "${pair#*:}" "$expression" 2>/dev/null)
    done
  done
  [ "$("$cbpfc" --to cbpf --form line ip)" = "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0" ]
}

@test "programs are read in every form, from arguments, files and pipes" {
  expression="ip and udp port 53"
  wanted=$("$cbpfc" --to ebpf-hex "$expression")
  for form in listing c decimal line; do
    "$cbpfc" --to cbpf --form $form "$expression" >program
    [ "$("$cbpfc" --to ebpf-hex "$(cat program)")" = "$wanted" ]
    [ "$("$cbpfc" --to ebpf-hex -F program)" = "$wanted" ]
    [ "$("$cbpfc" --to ebpf-hex <program)" = "$wanted" ]
    [ "$("$cbpfc" --to ebpf-hex - <program)" = "$wanted" ]
    [ "$("$cbpfc" --to ebpf-hex -f - <program)" = "$wanted" ]
  done
}

@test "expressions are read from files, with comments and line breaks" {
  printf '# DNS\nip and # version 4\n  udp port 53\n' >filter
  [ "$("$cbpfc" -f filter)" = "$("$cbpfc" ip and udp port 53)" ]
  [ "$("$cbpfc" <filter)" = "$("$cbpfc" "ip and udp port 53")" ]
  printf 'ip and#version 4\nudp port 53#DNS' >filter
  [ "$("$cbpfc" -f filter --to cbpf)" = "$(tcpdump -O -y EN10MB -d -F filter 2>/dev/null)" ]
}

@test "a listing may begin with any instruction" {
  for first in "and      x" "or       x" "and      #0xff" "add      x" "tax"; do
    printf '(000) %s\n(001) ret      #262144\n' "$first" >program
    run_cbpfc --to cbpf -F program
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    run_cbpfc --to cbpf "$(cat program)"
    [ "$status" -eq 0 ]
  done
}

@test "an empty input is no filter, an empty expression is one" {
  run "$cbpfc" </dev/null
  fails_with 1 "read standard input: no filter in it; the filter that matches everything is ''"
  run_cbpfc ""
  [ "$status" -eq 0 ]
}

@test "without a filter on a terminal, the help is named" {
  run script -qec "'$cbpfc'" /dev/null
  [ "$status" -eq 2 ]
  [[ $output == "cbpfc: no filter: give an expression, or pipe one in; cbpfc --help tells more"* ]]
}

@test "the link type decides" {
  [ "$("$cbpfc" -y RAW ip | head -n 6)" != "$("$cbpfc" ip | head -n 6)" ]
  run_cbpfc --link-type RAW ether host 1:2:3:4:5:6
  [ "$status" -eq 1 ]
}

@test "an expression that matches nothing is refused, but not in a set" {
  run_cbpfc ip and ip6
  [ "$status" -eq 1 ]
  [ "$output" = 'cbpfc: expression "ip and ip6": expression rejects all packets' ]
  run_cbpfc --to cbpf ip6 and tcp[13] = 2
  [ "$status" -eq 1 ]
  [[ $output == *': tcp[...] looks into IPv4 only, for IPv6 write "ip6[6] = 6 and (ip6 and ip6[40 + 13] = 2)"' ]]
  printf 'ip and ip6\nip\n' >set
  run_cbpfc --set set
  [ "$status" -eq 0 ]
}

@test "a list of a thousand hosts compiles" {
  for i in $(seq 1000); do
    printf '%s host 10.%d.%d.%d' "${separator-}" $((i % 7)) $((i * 37 % 256)) $((i * 101 % 256))
    separator=" or"
  done >hosts
  run_cbpfc --to ebpf-hex -F hosts
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -gt 1000 ]
}

@test "a graph is drawn" {
  run_cbpfc --to dot tcp port 80
  [ "$status" -eq 0 ]
  [[ ${lines[0]} == digraph* ]]
  [ "${lines[-1]}" = "}" ]
}

@test "the optimiser and its absence make different code of the same filter" {
  optimised=$("$cbpfc" --to ebpf-hex tcp port 80)
  plain=$("$cbpfc" --to ebpf-hex --no-optimize tcp port 80)
  [ "$optimised" != "$plain" ]
}

@test "the C text compiles, whatever the expression looks like" {
  "$cbpfc" --to c $'ip[0]*4/2\n= 2 or\tip' >filter.h
  printf '#include <stdint.h>\n#include "filter.h"\nint main(void) { return (int)filter(0, 0); }\n' >main.c
  cc -Wall -Wextra -Werror -o main main.c
  ./main
}

@test "an output file is there whole or not at all" {
  "$cbpfc" -o out --to ebpf-hex ip
  diff out <("$cbpfc" --to ebpf-hex ip)
  echo old >out
  run_cbpfc -o out ip and and
  [ "$status" -eq 1 ]
  [ "$(cat out)" = old ]
  run_cbpfc -o no/such ip
  fails_with 1 "create no/such: No such file or directory"
  [ "$(ls)" = out ]
}

@test "what cannot be written is an error, a reader that has gone is none" {
  for arguments in --help --version "ip" "--to object ip" "--to cbpf ip" "--explain ip"; do
    run bash -c "'$cbpfc' $arguments >/dev/full"
    [ "$status" -eq 1 ]
    [ "$output" = "cbpfc: write to standard output: No space left on device" ]
  done
  run bash -c "'$cbpfc' --help | head -n 1; exit \${PIPESTATUS[0]}"
  [ "${#lines[@]}" -eq 1 ]
  run bash -c "trap '' PIPE; { sleep 0.2; '$cbpfc' --help; echo \$? >status; } | true; cat status"
  [ "$output" = 0 ]
}

@test "errors in the filter" {
  run_cbpfc ip and and
  [ "$status" -eq 1 ]
  [ "${#lines[@]}" -eq 3 ]
  [ "${lines[0]}" = 'cbpfc: expression "ip and and": syntax error at column 8, at "and"' ]
  run_cbpfc "1,255 0 0 0"
  fails_with 1 "program: instruction 0: "
  run_cbpfc -F none
  fails_with 1 "read none: No such file or directory"
  run_cbpfc "2,32 0 0 4294963232,6 0 0 1" # SKF_AD_RXHASH
  fails_with 1 "instruction 0: .*hash"
  run_cbpfc inbound
  fails_with 1 "; --ancillary frame reads it from the Ethernet frame"
  run_cbpfc --ancillary frame inbound
  [ "$status" -eq 0 ]
}

@test "wrong command lines" {
  refused "unknown option --nonsense" --nonsense
  refused "option --to needs an argument" --to
  refused 'option --to: "x" is none of ebpf, ebpf-hex, c, cbpf, dot, object' --to x ip
  refused "option --registers working=REG:REG:REG:REG: compile filter: R2 is already the packet's start" \
    --registers working=R2:R5:R6:R7 ip
  refused "option --registers end=REG: compile filter: R10 is not one of R0 to R9" --registers end=R10 ip
  refused "option --stack-offset: compile filter: 7 is not a multiple of 4" --stack-offset 7 ip
  refused 'option --access: "buffer" is none of direct, buffer=BYTES, probe' --access buffer ip
  refused "unknown option -w" -w out ip
  refused 'option --function: write object file: "0x" is not an identifier of C.*' --to object --function 0x -o out ip
  refused "--explain and --to do not go together, use one at a time" --explain --to c ip
}

@test "a set of filters is one fragment" {
  printf '# rules\nudp port 53\ntcp port 80 # web\nip\n' >rules
  run_cbpfc --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "; set of 3 filters" ]
  [[ ${lines[2]} == *"with the number of the first filter that matches, or 0, in r4" ]]
  # As classic programs, the set is a set again.
  "$cbpfc" --set rules --to cbpf >programs
  [ "$(wc -l <programs)" -eq 3 ]
  diff <("$cbpfc" --set programs --to ebpf-hex) <("$cbpfc" --set rules --to ebpf-hex)
  printf 'ip\nip and and\n' >rules
  run_cbpfc --set rules
  [ "$status" -eq 1 ]
  [[ ${lines[0]} == 'cbpfc: rules, line 2: expression "ip and and": '* ]]
}
