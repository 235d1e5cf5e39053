#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/migrate.md, row by row: what scripts for the original xdpcap do, tried here.  What the original does was read in its sources
# and measured with its libraries (Go 1.19, gopacket 1.1.19, cilium/ebpf 0.9.1).

load helper

setup() { make_world; }
teardown() { remove_world; }

compile_target() { # [SLOTS]
  clang -target bpf -O2 -g -DSLOTS="${1:-5}" "-I$XDPCAP_SOURCE/xdpcap/include" -idirafter "/usr/include/$(gcc -print-multiarch)" \
    -c "$BATS_TEST_DIRNAME/compat_slots.bpf.c" -o "$world/hooked.o"
}

load_target() { # [SLOTS]
  compile_target "$@"
  bpftool prog load "$world/hooked.o" "$bpffs/program" type xdp pinmaps "$bpffs"
  mv "$bpffs/xdpcap_hook" "$bpffs/hook"
}

# Sends one packet that gets this action.
send() { # ACTION
  { printf '%b' "\\x$(printf %02x "$1")"; head -c 63 /dev/zero; } > "$world/packet"
  bpftool prog run pinned "$bpffs/program" data_in "$world/packet" | grep -q "Return value: $1,"
}

# during COMMAND -- XDPCAP_ARGUMENTS...: runs xdpcap beside it, until a moment after it.  As `run` does, and the packets are in $file.
during() {
  local command=()
  while [ "$1" != -- ]; do
    command+=("$1")
    shift
  done
  shift
  "$xdpcap" "$@" > "$world/said" 2>&1 &
  local pid=$!
  wait_until has_capture || { cat "$world/said"; return 1; }
  sleep 0.2
  "${command[@]}"
  sleep "${for_seconds:-0.4}"
  kill -TERM $pid || true
  wait $pid && status=0 || status=$?
  output=$(cat "$world/said")
}

has_capture() { bpftool map dump pinned "$bpffs/hook" | grep -q value:; }

wait_until() { # CONDITION
  for _ in $(seq 50); do
    eval "$1" && return 0
    sleep 0.1
  done
  return 1
}

interfaces() { # of a file, one a line
  tshark -r "$1" -T fields -e frame.interface_name | sort -u
}

# accepted OPTIONS...: the command line is right; nothing is found at the hook's path.
accepted() {
  run_xdpcap "$@" "$bpffs/nothing" "$file"
  fails_with 1 "$bpffs/nothing: .*no such"
}

# --- Options

@test "link types by all names of the original, in any case, and as numbers" {
  for type in Null Ethernet ethernet ETHERNET PPP FDDI Raw raw 802.11 Loop "Linux SLL" "linux sll" PFLog Prism prism RadioTap radiotap \
    USB usb 0xC 1 0x69; do
    accepted -linktype "$type"
    accepted --linktype="$type"
  done
}

@test "actions with spaces and in any notation" {
  for actions in "pass, aborted" "pass,aborted	, 3" 0x2 PASS,Drop 0b1,0o3 5,6,31; do
    accepted -actions "$actions"
  done
}

@test "numbers as Go reads them" {
  for number in 0x2000 8_192 0b10000000000000 020000 0o20000; do
    accepted -buffer "$number" -watermark "$number"
    accepted -c "$number"
  done
  accepted -watermark 0
  accepted -c 0
}

@test "switches as Go reads them" {
  accepted -q -flush
  accepted --q --flush
  accepted -q=true -flush=false -q=0 -flush=T
  run_xdpcap -q=maybe "$bpffs/nothing" "$file"
  fails_with 2 "neither true nor false"
}

@test "-- ends the options, and so does the first word that is none" {
  accepted --
  run_xdpcap "$bpffs/nothing" "$file" -q
  [ "$status" -eq 1 ]
  [[ ${lines[0]} == *"filter"*"-q"* ]]
}

@test "filters in one word, in several, as programs, and blank" {
  for filter in "" " " "ip" "1,6 0 0 1" "1,6 0 0 1," "2,48 0 0 0,6 0 0 1"; do
    run_xdpcap "$bpffs/nothing" "$file" "$filter"
    fails_with 1 "$bpffs/nothing: .*no such"
  done
  run_xdpcap "$bpffs/nothing" "$file" 1,6 0 0 1
  fails_with 1 "$bpffs/nothing: .*no such"
  run_xdpcap "$bpffs/nothing" "$file" vlan and ip
  fails_with 1 "$bpffs/nothing: .*no such"
  for filter in "3,6 0 0 1" "1,6 0 0 4294967296"; do
    run_xdpcap "$bpffs/nothing" "$file" "$filter"
    [ "$status" -eq 1 ]
    [[ ${lines[0]} == *"filter program"* ]]
  done
}

@test "help goes to standard output, and exits with 0" {
  for word in -h -help --help; do
    run bash -c "'$xdpcap' $word 2>/dev/null"
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "Usage: xdpcap [options] <hook> <output> [<filter>]" ]]
    run "$XDPCAP_TOOLS/bpfoff" $word
    [ "$status" -eq 0 ]
  done
}

# --- What a capture says and writes

@test "interfaces and statistics in the order of -actions, each once" {
  load_target
  during send 2 -- -actions "pass, aborted,2" "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"XDPPass: 1/1 XDPAborted: 0/0 (received/matched packets)"* ]]
  [ "$(strings "$file" | grep -o 'hook:XDP[A-Za-z]*' | paste -sd ' ')" = "hook:XDPPass hook:XDPAborted" ]
}

@test "the filter is in the file, and packets beyond it are counted as received" {
  load_target
  during send 1 -- "$bpffs/hook" "$file" ether[0] == 7
  [ "$status" -eq 0 ]
  [[ $output == *"XDPDrop: 1/0"* ]]
  strings "$file" | grep -q 'ether\[0\] == 7'
}

@test "-compat: statistics lines, interface names, and the mode of the file" {
  load_target
  umask 022
  for_seconds=2.5 during send 1 -- -compat "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  line=$'aborted: 0/0\tdrop: 1/1\tpass: 0/0\ttx: 0/0\tredirect: 0/0\t(received/matched packets)'
  [ "$(grep -Fxc "$line" "$world/said")" -ge 3 ]
  [ "$(grep -v '^xdpcap: ' "$world/said" | tail -1)" = "$line" ]
  [ "$(interfaces "$file")" = XDPdrop ]
  [ "$(stat -c %a "$file")" = 644 ]
  rm "$file"
  umask 077
  during send 1 -- -compat -q "$bpffs/hook" "$file"
  [ "$(stat -c %a "$file")" = 600 ]
  [ -z "$output" ]
  rm "$file"
  during true -- -compat -mode 0640 "$bpffs/hook" "$file"
  [ "$(stat -c %a "$file")" = 640 ]
}

@test "-compat: exit codes" {
  run_xdpcap -compat
  fails_with 1 "<hook> is missing"
  run_xdpcap -compat -nonsense "$bpffs/nothing" "$file"
  fails_with 1 "unknown option -nonsense"
  run_xdpcap -compat "$bpffs/nothing" "$file"
  fails_with 2 "no such"
  run_xdpcap -nonsense "$bpffs/nothing" "$file"
  fails_with 2 "unknown option -nonsense"
  run_xdpcap -compat -h
  [ "$status" -eq 0 ]
}

@test "-compat: a hook without an owner is waited for; without it, it is refused" {
  compile_target
  make_hook
  run_xdpcap "$bpffs/hook" "$file"
  fails_with 1 "no XDP program uses it yet"
  "$xdpcap" -compat "$bpffs/hook" "$file" > "$world/said" 2>&1 &
  pid=$!
  sleep 0.5
  kill -0 $pid
  bpftool prog load "$world/hooked.o" "$bpffs/program" type xdp map name xdpcap_hook pinned "$bpffs/hook"
  wait_until '[ -s "$file" ]'
  kill -TERM $pid
  wait $pid
}

@test "an existing file keeps its mode and is emptied when the capture begins" {
  load_target
  echo precious > "$file"
  chmod 640 "$file"
  run_xdpcap "$bpffs/nothing" "$file"
  [ "$(cat "$file")" = precious ]
  during send 2 -- -compat "$bpffs/hook" "$file"
  [ "$(stat -c %a "$file")" = 640 ]
  [ "$(capinfos -Mc "$file" | awk '/Number of packets/ { print $NF }')" = 1 ]
}

@test "a named pipe: the capture begins when a reader comes, and ends when it goes" {
  load_target
  mkfifo "$world/pipe"
  "$xdpcap" "$bpffs/hook" "$world/pipe" > "$world/said" 2>&1 &
  pid=$!
  sleep 0.5
  kill -0 $pid
  tcpdump -c 1 -r "$world/pipe" > "$world/packets" 2> /dev/null &
  wait_until has_capture
  sleep 0.2
  send 2
  wait_until '[ "$(wc -l < "$world/packets")" = 1 ]'
  send 2
  wait $pid
}

@test "-linktype is the link type of the file" {
  load_target
  during send 2 -- -linktype raw "$bpffs/hook" "$file" ip or not ip
  [ "$status" -eq 0 ]
  [ "$(capinfos -E "$file" | awk -F': +' '/encapsulation/ { print $2 }')" = "Raw IP" ]
}

@test "-c stops after so many packets, and 0 does not" {
  load_target
  "$xdpcap" -c 2 "$bpffs/hook" "$file" > /dev/null 2>&1 &
  pid=$!
  wait_until has_capture
  sleep 0.2
  for _ in 1 2 3; do send 2; done
  wait $pid
  [ "$(tshark -r "$file" | wc -l)" = 2 ]
  many() { for _ in 1 2 3; do send 2; done; }
  during many -- -c 0 "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [ "$(tshark -r "$file" | wc -l)" = 3 ]
}

# --- Hooks

@test "a hook of seven slots: the actions behind the kernel's are captured, the verdicts stay" {
  load_target 7
  seven() { for action in 0 1 2 3 4 5 6 7 6; do send $action || return 1; done; }
  during seven -- "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"XDPRedirect: 1/1 action 5: 1/1 action 6: 2/2 (received/matched packets)"* ]]
  [ "$(interfaces "$file" | grep -c '^hook:action [56]$')" = 2 ]
  [ "$(tshark -r "$file" -Y 'frame.interface_name == "hook:action 6"' -T fields -e frame.verdict.ebpf_xdp | paste -sd ,)" = 6,6 ]
  during send 6 -- -compat -actions 6,tx "$bpffs/hook" "$file"
  grep -Fxq $'xdpAction(6): 1/1\ttx: 0/0\t(received/matched packets)' "$world/said"
  [ "$(interfaces "$file")" = "XDPxdpAction(6)" ]
  wait_until "! has_capture"
}

@test "a hook of forty slots: the first 32 are captured, and that is said" {
  load_target 40
  forty() { for action in 31 32 39; do send $action || return 1; done; }
  during forty -- -stats-json "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"warning: hook $bpffs/hook has 40 slots; xdpcap captures from the first 32, packets with action 32 and above cannot be seen"* ]]
  [[ $output == *'"action 31":{"received":1,"matched":1'* ]]
  during send 1 -- -actions drop,31 "$bpffs/hook" "$file"
  [ "$status" -eq 0 ]
  [[ $output == *"XDPDrop: 1/1 action 31: 0/0 (received/matched packets)"* ]]
  run_xdpcap -diagnose "$bpffs/hook"
  [[ $output == *"a program uses the hook: program "*" \"hooked\""* ]]
  run_xdpcap -actions 32 "$bpffs/hook" "$file"
  fails_with 2 "option -actions: unknown action \"32\""
  wait_until "! has_capture"
}

@test "an action without a slot" {
  load_target 4
  run_xdpcap -actions redirect "$bpffs/hook" "$file"
  fails_with 1 "has 4 slots, and none for XDPRedirect"
  run_xdpcap -actions 5 "$bpffs/hook" "$file"
  fails_with 1 "has 4 slots, and none for action 5 .*a hook of 6 slots"
}

@test "a map that is not a program array, as the original's README shows one" {
  bpftool map create "$bpffs/counter" type percpu_array key 4 value 4 entries 5 name xdpcap_hook
  run_xdpcap "$bpffs/counter" "$file"
  fails_with 1 "it is a map of type per-CPU array; a hook is a program array"
}

# --- The page itself

@test "every row of docs/migrate.md says same or different and why, and names tests that there are" {
  local page=$XDPCAP_SOURCE/docs/migrate.md tests rows=0 row name
  tests=$(grep -h '^@test' "$XDPCAP_SOURCE"/{cbpfc,xdpcap}/tests/cli/*.bats; grep -rhoE 'TEST(_[FP])?\([A-Za-z]+, [A-Za-z0-9]+' "$XDPCAP_SOURCE"/{base,cbpfc,xdpcap,verify})
  while IFS= read -r row; do
    rows=$((rows + 1))
    here=$(awk -F' \\| ' '{ print $3 }' <<< "$row")
    [[ $here == same* || $here == different:*", because "* ]] || { echo "neither same nor different, because: $row"; return 1; }
    [[ $here != *[Dd]ifferent:* || $here == *", because "* ]] || { echo "different without a because: $row"; return 1; }
    names=$(awk -F' \\| ' '{ print $NF }' <<< "$row" | grep -oE '"[^"]+"|`[A-Za-z]+\.[A-Za-z0-9]+`|`hook_header`' | grep -v '\.bats') || { echo "no test: $row"; return 1; }
    while IFS= read -r name; do
      case $name in
        '"'*) grep -Fq "@test $name" <<< "$tests" ;;
        '`hook_header`') [ -x "$XDPCAP_SOURCE/xdpcap/tests/programs/hook_header_test" ] ;;
        *) name=${name//\`/}; grep -Eq "TEST(_[FP])?\(${name/./, }$" <<< "$tests" ;;
      esac || { echo "no such test: $name"; return 1; }
    done <<< "$names"
  done < <(grep '^| ' "$page" | grep -v '^| what | the original')
  [ "$rows" -gt 40 ]
}

# --- bpfoff

@test "bpfoff: as the original, but for what a match returns and offsets that the kernel reads otherwise" {
  bpfoff=$XDPCAP_TOOLS/bpfoff
  [ "$("$bpfoff" -- 34 tcp)" = "$("$bpfoff" 34 tcp)" ]
  [ "$("$bpfoff" 100,2 tcp)" = "$("$bpfoff" 2,0x64 tcp)" ]
  [ "$("$bpfoff" 34 tcp port 80)" = "$("$bpfoff" 34 "tcp port 80")" ]
  [[ $("$bpfoff" 34 tcp) == *",6 0 0 262144,6 0 0 0" ]]
  run "$bpfoff" 4294967294 "ip[1] == 4"
  [ "$status" -eq 1 ]
  run "$bpfoff" 34
  [ "$status" -eq 2 ]
  accepted_filter=$("$bpfoff" 14,34 udp)
  run_xdpcap "$bpffs/nothing" "$file" "$accepted_filter"
  fails_with 1 "$bpffs/nothing: .*no such"
}
