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
