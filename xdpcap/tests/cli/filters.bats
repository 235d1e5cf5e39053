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

# says_nothing_of FILE WORD...: an error that has none of the words.
says_nothing_of() {
  local word
  run_xdpcap -F "$1" "$bpffs/hook" "$file"
  [ "$status" -eq 1 ]
  [ "${#lines[@]}" -eq 1 ]
  for word in "${@:2}"; do
    if [[ $output == *"$word"* ]]; then
      echo "\"$word\" of $1 is in: $output"
      return 1
    fi
  done
}

@test "a file of -F is not quoted: with sudo, say, it may be one that its reader may not read" {
  local secret=$world/f
  says_nothing_of /etc/shadow root '$' daemon '*:'
  [[ $output == "xdpcap: filter in /etc/shadow, line 1, column 1: syntax error; "* ]]
  printf 'tcp port 80 or\n\n  host s3cret.invalid # t0p\n' > "$secret"
  says_nothing_of "$secret" s3cret invalid t0p 'port 80'
  [[ $output == "xdpcap: filter in $secret, line 3, column 8: unknown host; "* ]]
  printf 'tcp and' > "$secret"
  says_nothing_of "$secret" 'tcp'
  [[ $output == "xdpcap: filter in $secret, line 1, column 8: syntax error, at the end; "* ]]
  for text in '48151623' '{ 0xdead, s3cret }' '(000) s3cret' '2,48151623 0 0 0' '2\n6 0 0 1\ns3cret' \
              'ether host s3:cr:et' 'portrange s3cret-7' 's3cret s3cret' 'ip proto s3cret' '1.2.3.48151623' \
              'udp[4815162342:7]' 'vlan 48151623' '"s3cret"' "'s3cret'" 'x\x00s3cret'; do
    printf "$text" > "$secret"
    says_nothing_of "$secret" s3cret 4815 dead 's3:cr'
  done
}

@test "a pipe of the shell as the file of -F, and a wait for a named one that is interrupted" {
  run timeout 20 bash -c "exec '$xdpcap' -F <(echo tcp port) '$bpffs/hook' '$file'"
  fails_with 1 "filter in /dev/fd/[0-9]+, line 1, column 9: syntax error, at the end"
  mkfifo "$world/pipe"
  run timeout -k 5 -s INT 1 "$xdpcap" -F "$world/pipe" "$bpffs/hook" "$file"
  [ "$status" -eq 124 ]
  nothing_left
}

# load_of OFFSET: a program that loads SKF_AD_OFF + OFFSET.
load_of() { echo "2,32 0 0 $((4294963200 + $1)),22 0 0 0"; }

@test "what XDP does not know is refused by name, with the reason" {
  local load
  for load in "20:mark: the kernel has not made a socket buffer yet, which has it" \
              "28:hardware type: a program cannot ask the interface for it" \
              "32:rx hash: only programs that are bound to one interface are told the hash" \
              "12:netlink attribute: it looks into netlink messages"; do
    run_xdpcap "$bpffs/hook" "$file" "$(load_of "${load%%:*}")"
    load=${load#*:}
    [ "$status" -eq 1 ]
    [ "$output" = "xdpcap: filter program: instruction 0: the ancillary load \"${load%%: *}\" has no answer in XDP: ${load#*: }" ]
  done
  for load in "36:cpu:bpf_get_smp_processor_id" "56:random:bpf_get_prandom_u32"; do
    run_xdpcap "$bpffs/hook" "$file" "$(load_of "${load%%:*}")"
    load=${load#*:}
    [ "$status" -eq 1 ]
    [ "$output" = "xdpcap: filter program: instruction 0: the ancillary load \"${load%:*}\" is not answered: it takes a call of ${load#*:}(), and the filters of xdpcap make none; to thin out packets at random, use -sample" ]
  done
  nothing_left
}

@test "what is read off an Ethernet frame is refused for packets that are none" {
  run_xdpcap -linktype RAW "$bpffs/hook" "$file" "$(load_of 0)"
  [ "$status" -eq 1 ]
  [ "$output" = 'xdpcap: filter program: instruction 0: the ancillary load "protocol" is not answered: it takes an Ethernet frame, and packets of -linktype RAW are none' ]
  nothing_left
}

@test "inbound and outbound are refused, in a file, too" {
  run_xdpcap "$bpffs/hook" "$file" "tcp and inbound"
  [ "$status" -eq 1 ]
  [ "$output" = 'xdpcap: filter: "inbound": XDP programs see packets only as they arrive; leave it out' ]
  echo "not outbound" >"$world/f"
  run_xdpcap -F "$world/f" "$bpffs/hook" "$file"
  [ "$status" -eq 1 ]
  [ "$output" = "xdpcap: filter in $world/f: \"outbound\": XDP programs see packets only as they arrive; leave it out" ]
  nothing_left
}
