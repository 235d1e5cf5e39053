#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc-check match over capture files as other tools and other systems write them, against tcpdump where that is
# right.

load ../../../cbpfc/tests/cli/helper

setup() {
  world=$(mktemp -d)
  chmod 755 "$world"
  cd "$world" || return
  # Seven packets, three of which are DNS.
  make_pcap "$(udp_packet 53)" "$(udp_packet 80)" "$(udp_packet 53)" 0102 "" "$(udp_packet 53)" \
    "$(udp_packet 443)" >in.pcap
}
teardown() { rm -rf "$world"; }

# tcpdump_counts FILE EXPRESSION: the packets that tcpdump finds.
tcpdump_counts() { tcpdump -r "$1" --count "${@:2}" 2>/dev/null | cut -d ' ' -f 1; }

# swapped_pcap LINKTYPE HEX...: as make_pcap, in the other byte order.
swapped_pcap() {
  local link_type=$1 packet size
  shift
  put_hex "a1b2c3d40002000400000000000000000004000000$(printf '%06x' "$link_type")"
  for packet in "$@"; do
    size=$(printf '%08x' $((${#packet} / 2)))
    put_hex "0000000000000000$size$size$packet"
  done
}

@test "a loopback's families are those of every system, in the file's byte order" {
  ipv4=$(udp_packet 53)
  ipv4=${ipv4:28}
  ipv6=6000000000081140$(printf '%064d' 1)03e8003500080000
  for linktype in 0 108 109; do
    little=("02000000" "18000000" "1c000000" "1e000000")
    big=("00000002" "00000018" "0000001c" "0000001e")
    [ $linktype -ne 108 ] || little=("${big[@]}")  # LOOP has network byte order in every file
    # ENC has eight bytes more.
    rest=""; [ $linktype -ne 109 ] || rest=0000000000000000
    { make_pcap | head -c 20; put_u32 $linktype; make_pcap "${little[0]}$rest$ipv4" \
      "${little[1]}$rest$ipv6" "${little[2]}$rest$ipv6" "${little[3]}$rest$ipv6" | tail -c +25; } >little.pcap
    swapped_pcap $linktype "${big[0]}$rest$ipv4" "${big[1]}$rest$ipv6" "${big[2]}$rest$ipv6" \
      "${big[3]}$rest$ipv6" >big.pcap
    for file in little big; do
      for engine in interpreter ebpf kernel; do
        for expected in "ip:1" "ip6:3" "udp:4" "udp port 53:4" "not ip6:1"; do
          run_check match $file.pcap --engine $engine "${expected%:*}"
          [ "${lines[0]}" = "${expected#*:}" ]
          [ "$(tcpdump_counts $file.pcap "${expected%:*}")" = "${expected#*:}" ]
        done
      done
      # What is written is in the file's byte order, too.
      "$cbpfc_check" match $file.pcap -w out.pcap udp
      cmp out.pcap $file.pcap
    done
  done
}

@test "what is written has the format of what is read" {
  # Nanoseconds; checksum bits beside the link type; the other byte order; pcapng.
  { put_u32 0xa1b23c4d; tail -c +5 in.pcap; } >nano.pcap
  { head -c 20 in.pcap; put_u32 0x44000001; tail -c +25 in.pcap; } >checksum.pcap
  swapped_pcap 1 "$(udp_packet 53)" "$(udp_packet 80)" >swapped.pcap
  editcap -F pcapng in.pcap micro.pcapng
  editcap -F pcapng nano.pcap nano.pcapng
  for file in in.pcap nano.pcap checksum.pcap swapped.pcap micro.pcapng nano.pcapng; do
    "$cbpfc_check" match $file -w all ''
    cmp all $file
    # shellcheck disable=SC2002  # a pipe, in which nothing can be looked up
    cat $file | "$cbpfc_check" match - -w - '' | cmp - $file
    "$cbpfc_check" match $file -w chosen udp port 53
    [ "$(head -c 24 chosen | xxd -p)" = "$(head -c 24 $file | xxd -p)" ]
    diff <(tcpdump -r chosen --nano -tt -xx 2>/dev/null) <(tcpdump -r $file --nano -tt -xx udp port 53 2>/dev/null)
  done
}

@test "lengths are the file's, for packets that were cut and for those that are wrong" {
  # 42 bytes of which 30 were captured, and 46 captured of 42.
  packet=$(udp_packet 53)
  { make_pcap; put_u32 1 0 30 42; put_hex "${packet:0:60}"; put_u32 1 0 46 42; put_hex "$packet"; } >cut.pcap
  for engine in kernel interpreter ebpf; do
    for ancillary in "" "--ancillary frame"; do
      for expected in "len = 42:2" "len = 46:0" "len = 30:0" "less 42:2" "greater 43:0" "not len = 42:0"; do
        # shellcheck disable=SC2086  # none or two words
        run_check match cut.pcap --engine $engine $ancillary "${expected%:*}"
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = "${expected#*:}" ]
        [ "$(tcpdump_counts cut.pcap "${expected%:*}")" = "${expected#*:}" ]
      done
    done
  done
}

@test "what a file does not tell is refused by name" {
  for linktype in 1 127 192; do
    { make_pcap | head -c 20; put_u32 $linktype; } >file.pcap
    for expression in inbound "not inbound" outbound "ifindex 3"; do
      run_check match file.pcap "$expression"
      [ "$status" -eq 1 ]
      [[ ${lines[0]} =~ ^"cbpfc-check: expression \"$expression\": "(inbound/outbound|ifindex)" not supported on" ]]
    done
  done
}

@test "what is read off an Ethernet frame is not read off another" {
  { make_pcap | head -c 20; put_u32 101; } >raw.pcap
  run_check match raw.pcap --ancillary frame "2,40 0 0 4294963204,22 0 0 0" # SKF_AD_PKTTYPE
  fails_with 1 "option --ancillary: frame is for Ethernet, but packets of raw.pcap start with RAW"
}

@test "ip broadcast in a file is as tcpdump has it" {
  packet=$(udp_packet 53)
  make_pcap "${packet/c0000202/ffffffff}" "${packet/c0000202/00000000}" "$packet" >in.pcap
  run_check match in.pcap ip broadcast
  [ "${lines[0]}" = 2 ]
  [ "$(tcpdump_counts in.pcap ip broadcast)" = 2 ]
}

@test "packets that were cut are as long as they were, in the code, too" {
  # 130 bytes of which 60 were captured.
  packet=$(udp_packet 53)$(printf '%036d' 0)
  { make_pcap; put_u32 1 0 60 130; put_hex "${packet:0:120}"; } >cut.pcap
  run_check match cut.pcap --engine ebpf greater 120
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 1 ]
  [[ ${lines[1]} =~ "ran 1 packet by the interpreter of eBPF, "[0-9.]+" instructions each"$ ]]
  run_check match cut.pcap --engine ebpf greater 131
  [ "${lines[0]}" = 0 ]
}

# block TYPE HEX: a block of a pcapng file.
block() {
  local size=$((${#2} / 2 + 12))
  put_u32 "$1" $size
  put_hex "$2"
  put_u32 $size
}

le32() { put_u32 "$@" | xxd -p | tr -d '\n'; }

# packet_block INTERFACE HEX: a packet, whose size is a multiple of four.
packet_block() { block 6 "$(le32 "$1" 0 7 $((${#2} / 2)) $((${#2} / 2)))$2"; }

@test "interfaces of a pcapng may differ in link type and snapshot length" {
  ethernet=$(udp_packet 53)0000
  raw=${ethernet:28}00000000
  raw=${raw:0:$((${#raw} / 8 * 8))}
  { block $((0x0a0d0d0a)) "4d3c2b1a01000000ffffffffffffffff"
    block 1 "$(le32 1 262144)"
    block 1 "$(le32 101 96)"
    block 1 "$(le32 1 96)"
    packet_block 0 "$ethernet"
    packet_block 1 "$raw"
    packet_block 2 "$ethernet"
    packet_block 0 "${ethernet/0800/0806}"
    packet_block 1 "$raw"; } >mixed.pcapng
  for engine in kernel interpreter ebpf; do
    for expected in "udp port 53:4" "not udp:1" "ip host 192.0.2.1:4"; do
      run_check match mixed.pcapng --engine $engine "${expected%:*}"
      [ "$status" -eq 0 ]
      [ "${lines[0]}" = "${expected#*:}" ]
      [[ ${lines[1]} =~ ^"of 5 packets match; ran EN10MB: 3 packets by the "[a-zA-Z0-9.,\ ]+"; RAW: 2 packets by the " ]]
    done
  done
  "$cbpfc_check" match mixed.pcapng -w all ''
  cmp all mixed.pcapng
  "$cbpfc_check" match mixed.pcapng -w chosen udp
  "$cbpfc_check" match chosen -w again udp
  cmp chosen again
  [ "$(capinfos -M -c chosen | sed -n 's/^Number of packets: *//p')" = 4 ]
  # From a pipe, the filter from standard input: it is read once, and compiled for each.
  run bash -c "echo udp | '$cbpfc_check' match mixed.pcapng"
  [ "${lines[0]}" = 4 ]
  run bash -c "'$cbpfc_check' match - udp <mixed.pcapng"
  [ "${lines[0]}" = 4 ]
  # A filter that one of them cannot have.
  run_check match mixed.pcapng ether host 02:00:00:00:00:01
  [ "$status" -eq 1 ]
  [[ ${lines[0]} == 'cbpfc-check: packet 2: packets of RAW: expression "ether host 02:00:00:00:00:01": '* ]]
}
