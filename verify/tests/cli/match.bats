#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# cbpfc-check match: filters over capture files.

load ../../../cbpfc/tests/cli/helper

setup() {
  world=$(mktemp -d)
  chmod 755 "$world"
  cd "$world" || return
  # 7 packets, 3 of which are DNS; one ends inside its Ethernet header, one has no bytes at all.
  make_pcap "$(udp_packet 53)" "$(udp_packet 80)" "$(udp_packet 53)" 0102 "" "$(udp_packet 53)" \
    "$(udp_packet 443)" >in.pcap
}
teardown() { rm -rf "$world"; }

# counts NUMBER ARGUMENTS: that many matches, on a line of their own.
counts() {
  local number=$1
  shift
  run_check match in.pcap "$@"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "$number" ]
}

@test "tcpdump reads the file that these tests make" {
  [ "$(tcpdump -r in.pcap --count udp port 53 2>/dev/null)" = "3 packets" ]
}

@test "the number of matches comes first" {
  counts 3 udp port 53
  [[ ${lines[1]} == "of 7 packets match; ran 5 packets by the kernel, 2 packets by the interpreter "* ]]
  [ "${#lines[@]}" -eq 2 ]
  counts 0 tcp
  counts 7 ""
  counts 6 greater 1
}

@test "every engine counts the same" {
  for engine in kernel interpreter ebpf; do
    counts 3 --engine $engine udp port 53
    counts 5 --engine $engine ip
    counts 2 --engine $engine --no-optimize not udp port 53 and ip
  done
  counts 3 --engine ebpf --branch udp port 53
  counts 3 --engine ebpf --access buffer=1500 udp port 53
}

@test "without rights the interpreter runs" {
  run_check_unprivileged match in.pcap udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 3 ]
  [ "${lines[1]}" = "of 7 packets match; ran 7 packets by the interpreter" ]
  run_check_unprivileged match in.pcap --engine kernel udp port 53
  fails_with 1 "load program cbpfc_match: Operation not permitted: .*CAP_BPF"
}

@test "a filter that is too much for the verifier is interpreted, and why is said" {
  { seq -f 'ip6 host 2001:db8::%g or' 1 6000; echo udp port 53; } >filter
  counts 3 -F filter
  local why="load program cbpfc_match: its [0-9]+ instructions are too much for the kernel's verifier, which keeps at \
most 8,192 branches whose other way it has yet to look at; write networks"
  [[ ${lines[1]} =~ "of 7 packets match; ran 7 packets by the interpreter, none by the kernel: "$why ]]
  run_check match in.pcap --engine kernel -F filter
  fails_with 1 "$why"
}

@test "what matches is written, byte for byte as tcpdump writes it" {
  counts 3 -w out.pcap udp port 53
  tcpdump -r in.pcap -w tcpdump.pcap udp port 53 2>/dev/null
  cmp out.pcap tcpdump.pcap
  "$cbpfc_check" match in.pcap -w - udp port 53 | cmp - tcpdump.pcap
  "$cbpfc_check" match - -w - udp port 53 <in.pcap | cmp - tcpdump.pcap
  counts 0 -w none.pcap tcp
  [ "$(tcpdump -r none.pcap --count 2>/dev/null)" = "0 packets" ]
}

@test "a writable file in a directory that is not is written in place, unless it is what is read" {
  mkdir theirs
  echo "an old file that is longer than what is written to it: $(seq 1000)" >theirs/out.pcap
  chmod 666 theirs/out.pcap
  chmod 644 in.pcap
  run_check_unprivileged match in.pcap -w theirs/out.pcap udp port 53
  [ "$status" -eq 0 ]
  "$cbpfc_check" match in.pcap -w expected.pcap udp port 53
  cmp theirs/out.pcap expected.pcap
  run_check_unprivileged match theirs/out.pcap -w theirs/out.pcap udp port 80
  fails_with 1 "write to theirs/out.pcap: it is the file that is read, and cannot be replaced in its directory; "
  cmp theirs/out.pcap expected.pcap
  run_check_unprivileged match in.pcap -w theirs/new.pcap udp
  fails_with 1 "create theirs/new.pcap: Permission denied"
  # Where it can be replaced, the file that is read may be.
  run_check match in.pcap -w in.pcap udp port 53
  [ "$status" -eq 0 ]
  cmp in.pcap expected.pcap
}

@test "pcapng is read" {
  editcap -F pcapng in.pcap in.pcapng
  run_check match in.pcapng udp port 53
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 3 ]
}

@test "an empty file has no matches" {
  make_pcap >in.pcap
  counts 0 ip
  [[ ${lines[1]} == "of 0 packets match"* ]]
}

@test "of a file that is cut everything before the cut is counted and written, with a warning" {
  # Ends of the header and of each packet; -w writes the matches among the packets that are whole.
  local ends=(24) size whole whole_packets
  for size in 46 46 46 2 0 46 46; do ends+=($((ends[-1] + 16 + size))); done
  for size in 25 39 40 90 148 212 $(($(stat -c %s in.pcap) - 1)); do
    head -c "$size" in.pcap >cut.pcap
    whole_packets=0
    while [ "${ends[whole_packets + 1]}" -le "$size" ]; do whole_packets=$((whole_packets + 1)); done
    whole=${ends[whole_packets]}
    head -c "$whole" in.pcap >whole.pcap
    [ "$whole" -lt "$size" ] || continue
    for engine in kernel interpreter; do
      rm -f out.pcap
      run_check match cut.pcap --engine $engine -w out.pcap udp port 53
      [ "$status" -eq 1 ]
      [ "${lines[0]}" = "$(tcpdump -r whole.pcap --count udp port 53 2>/dev/null | cut -d ' ' -f 1)" ]
      [[ ${lines[1]} == "of $whole_packets packets match; ran "* ]]
      [[ ${lines[2]} == "cbpfc-check: warning: read cut.pcap: packet $((whole_packets + 1)): truncated dump file; "*"; the packets before it are counted and written" ]]
      "$cbpfc_check" match whole.pcap -w expected.pcap udp port 53
      cmp out.pcap expected.pcap
    done
  done
  run_check match cut.pcap udp port 53
  [ "$status" -eq 1 ]
  [[ ${lines[2]} == *"; the packets before it are counted" ]]
}

@test "of a pcapng that is cut, too" {
  editcap -F pcapng in.pcap whole.pcapng
  head -c -40 whole.pcapng >cut.pcapng
  run_check match cut.pcapng -w out.pcapng udp port 53
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = 3 ]
  [ "$(tcpdump -r out.pcapng --count 2>/dev/null)" = "3 packets" ]
  run_check time --match cut.pcapng udp port 53
  [ "$status" -eq 0 ]
  [[ $output == *"from the capture file, as far as it goes: read cut.pcapng: packet "* ]]
}

@test "a file without a whole header is not a capture file" {
  for size in 0 1 23; do
    head -c "$size" in.pcap >cut.pcap
    run_check match cut.pcap -w out.pcap udp port 53
    fails_with 1 "read cut.pcap: not a capture file \(pcap or pcapng\): "
    [ ! -e out.pcap ]
  done
}

@test "the file's link type is the expression's" {
  # The same packets without their Ethernet headers, as LINKTYPE_RAW (101).
  packet=$(udp_packet 53)
  { make_pcap | head -c 20; put_u32 101; make_pcap "${packet:28}" | tail -c +25; } >raw.pcap
  run_check match raw.pcap udp port 53
  [ "${lines[0]}" = 1 ]
  run_check match raw.pcap -y RAW udp port 53
  [ "${lines[0]}" = 1 ]
  run_check match raw.pcap -y EN10MB udp port 53
  fails_with 1 "option --link-type: EN10MB was asked for, but packets of raw.pcap start with RAW"
}

@test "files that cannot be read" {
  run_check match none.pcap ip
  fails_with 1 "open none.pcap: No such file or directory"
  echo text >text
  run_check match text ip
  fails_with 1 "read text: not a capture file"
  run_check match . ip
  fails_with 1 "read .: "
}

@test "packets do not go to a terminal" {
  run script -qec "'$cbpfc_check' match in.pcap -w - ip" /dev/null
  [ "$status" -eq 2 ]
  [[ $output == "cbpfc-check: refusing to write packets to a terminal; name a file with -w, "* ]]
}

@test "a set counts the packets of each filter" {
  printf 'udp port 80\nudp\nip\n' >rules
  run_check match in.pcap --set rules
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 5 ]
  [[ ${lines[2]} =~ ^\ +1\ \ 1:\ udp\ port\ 80$ ]]
  [[ ${lines[3]} =~ ^\ +4\ \ 2:\ udp$ ]]
  [[ ${lines[4]} =~ ^\ +0\ \ 3:\ ip$ ]]
}

@test "no program stays loaded" {
  counts 3 udp port 53
  for _ in $(seq 30); do
    bpftool prog show | grep -q 'name cbpfc_' || return 0
    sleep 0.1
  done
  return 1
}
