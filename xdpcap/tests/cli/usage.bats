#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause

load helper

setup() {
  make_world
  make_hook
}
teardown() { remove_world; }

# refused OPTIONS... -- PATTERN: with a good hook and output behind them.
refused() {
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  run_xdpcap "${options[@]}" "$bpffs/hook" "$file"
  fails_with 2 "$2" && nothing_left
}

@test "no words" {
  run_xdpcap
  fails_with 2 "<hook> is missing; usage: xdpcap"
}

@test "no output" {
  run_xdpcap "$bpffs/hook"
  fails_with 2 "<output> is missing; usage: xdpcap"
}

@test "unknown and abbreviated options" {
  refused -x -- "unknown option -x"
  refused --nonsense=1 -- "unknown option --nonsense=1"
  refused -act pass -- "unknown option -act"
}

@test "an option without its argument" {
  run_xdpcap -buffer
  fails_with 2 "option -buffer needs an argument"
}

@test "buffer sizes" {
  for bad in 0 0K -1 x 4T K 1e6 99999999999 99G 18446744073709551615K 18446744073709551616 ""; do
    refused -buffer "$bad" -- "option -buffer: .*from 1 to [0-9]+"
    refused -B "$bad" -- "option -buffer: .*from 1 to [0-9]+"
  done
}

@test "watermarks" {
  for bad in -1 x 99999999999; do
    refused -watermark "$bad" -- "option -watermark: .*from 0 to [0-9]+"
  done
  refused -buffer 4096 -watermark 1000000000 -- "option -watermark: .*more than the ring's"
}

@test "snap lengths" {
  for bad in 0 -1 x 65536; do
    refused -s "$bad" -- "option -snaplen: .*from 1 to 65535"
    refused --snaplen="$bad" -- "option -snaplen: .*from 1 to 65535"
  done
}

@test "flight recorders" {
  for bad in 0 -1 x 4T ""; do
    refused --ring "$bad" -- "option -ring: .*from 1 to [0-9]+"
  done
  refused -ring 65583 -- "option -ring: 65583 bytes cannot hold a packet, .*65584; give it more"
  refused -ring 9999999G -- "option -ring: [0-9]+ bytes are more than .*; give it less"
  refused -ring 1M -count -- "option -count: .*-ring keeps nothing; leave one of them out"
  refused -trigger drop:5 -- "option -trigger: .*without -ring BYTES; add that"
  for bad in drop drop: :5 32:5 sideways:5 drop:-1 drop:0 drop:5k drop,pass:5; do
    refused -ring 1M -trigger "$bad" -- "option -trigger: "
  done
  refused -ring 1M -actions pass -trigger drop:5 -- "option -trigger: XDPDrop is not captured"
}

@test "an option that swallows the hook is named" {
  run_xdpcap -s "$bpffs/hook" "$file"
  fails_with 2 "option -snaplen: \"$bpffs/hook\" is not a number from 1 to 65535"
}

@test "unknown actions" {
  for bad in sideways 32 pass,sideways "" ","; do
    refused -actions "$bad" -- "option -actions: "
  done
}

@test "unknown link types" {
  for bad in NOSUCH 65537 -1 ""; do
    refused -linktype "$bad" -- "option -linktype: "
  done
}

@test "switches take true and false only" {
  refused -q=maybe -- "option -q: \"maybe\" is neither true nor false"
}

@test "standard output that is a terminal" {
  run script -qec "'$xdpcap' '$bpffs/hook' -" /dev/null
  [ "$status" -eq 2 ]
  [[ $output == *"xdpcap: standard output is a terminal"*"tcpdump -r -"* ]]
}

# meant OUTPUT [FILTER...] = FILTER: refused, with the command that has this filter; no file is made
meant() {
  local words=()
  while [ "$1" != = ]; do
    words+=("$1")
    shift
  done
  mkdir -p "$world/here"
  run bash -c 'cd "$1" && shift && exec timeout 20 "$@"' - "$world/here" "$xdpcap" "$bpffs/hook" "${words[@]}"
  fails_with 2 "<output> \".*\" reads as a filter; probably meant: xdpcap $bpffs/hook - $2; to write a file of that name, give '?\./" &&
    [ -z "$(ls "$world/here")" ]
}

# is_file OUTPUT [FILTER...]: taken for a file; what fails is that no program owns the hook
is_file() {
  run bash -c 'cd "$1" && shift && exec timeout 20 "$@"' - "$world" "$xdpcap" "$bpffs/hook" "$@"
  fails_with 1 "no XDP program uses it yet"
}

@test "a filter in the place of the output" {
  meant udp port 9 = "'udp port 9'"
  meant "udp port 9" = "'udp port 9'"
  meant ip = "ip"
  meant port 53 = "'port 53'"
  meant host 192.0.2.1 = "'host 192.0.2.1'"
  meant not port 22 = "'not port 22'"
  meant '!' tcp = "'! tcp'"
  meant "(tcp or udp)" and port 53 = "'\(tcp or udp\) and port 53'"
  meant "tcp[13] & 2 != 0" = "'tcp\[13\] & 2 != 0'"
  meant "net 192.0.2.0/24" = "'net 192.0.2.0/24'"
  meant udp prot 9 = "'udp prot 9'" # which then says what is wrong with it
  run timeout 20 "$xdpcap" -c 5 "$bpffs/hook" tcp "udp port 53"
  fails_with 2 "<output> \"tcp\" reads as a filter; to write a file of that name, give ./tcp$"
  echo "tcp port 80" > "$world/filter"
  run timeout 20 "$xdpcap" -F "$world/filter" "$bpffs/hook" tcp
  fails_with 2 "<output> \"tcp\" reads as a filter; to write a file of that name, give ./tcp$"
  run timeout 20 "$xdpcap" "$bpffs/hook" tcp "1,6 0 0 1"
  fails_with 2 "<output> \"tcp\" reads as a filter; to write a file of that name, give ./tcp$"
}

@test "on a terminal, the command that was meant has a file" {
  run script -qec "'$xdpcap' '$bpffs/hook' udp port 9" /dev/null
  [ "$status" -eq 2 ]
  [[ $output == *"probably meant: xdpcap $bpffs/hook capture.pcap 'udp port 9'; "* ]]
}

@test "a blank output" {
  for blank in " " $'\t' "  "; do
    run_xdpcap "$bpffs/hook" "$blank" udp
    fails_with 2 "<output> \".*\" is blank; .*probably meant: xdpcap $bpffs/hook - udp$"
  done
}

# Without asking name servers about them.
@test "names of files" {
  touch "$world/udp"
  for name in out.pcap ip.pcapng ip.pcap ./ip capture capture.cap trace.cap Udp 2024-01-01 20240101 udp \
    "$world/ip" "net 192.0.2.0.pcap" interface-with-a-long-name; do
    is_file "$name" port 9
  done
  run strace -f -e trace=socket "$xdpcap" "$bpffs/hook" capture udp
  [[ $output != *"SOCK_DGRAM"* ]]
  run strace -f -e trace=socket timeout 20 "$xdpcap" "$bpffs/hook" capture host no.such.invalid
  [[ $output == *"SOCK_DGRAM"* ]]
}
