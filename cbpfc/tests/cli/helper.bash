# SPDX-License-Identifier: BSD-3-Clause
#
# For the .bats files of cbpfc and cbpfc-check.  XDPCAP_TOOLS is the directory of the built tools, XDPCAP_VERSION what
# --version says; both set by CTest.
#
# shellcheck disable=SC2154  # bats sets status and lines

PATH=$PATH:/usr/sbin:/sbin
cbpfc=${XDPCAP_TOOLS:?where the built tools are}/cbpfc
cbpfc_check=$XDPCAP_TOOLS/cbpfc-check

# run_cbpfc ARGUMENTS: its exit code in $status, what it said in $output and, by line, in $lines.
run_cbpfc() {
  run timeout 60 "$cbpfc" "$@"
}

# run_check ARGUMENTS: the same of cbpfc-check.
run_check() {
  run timeout 60 "$cbpfc_check" "$@"
}

# run_check_unprivileged ARGUMENTS: the same, as a user who may not load programs.
run_check_unprivileged() {
  run timeout 60 setpriv --reuid 65534 --clear-groups "$cbpfc_check" "$@"
}

# fails_with CODE PATTERN: that exit code, and exactly one line, which starts with the program's name
# and matches the regular expression.
fails_with() {
  if [ "$status" -ne "$1" ] || [ "${#lines[@]}" -ne 1 ] || [[ ! ${lines[0]} =~ ^cbpfc(-check)?:\ .*$2 ]]; then
    echo "wanted exit code $1 and one line with: $2"
    echo "got exit code $status and:"
    printf '%s\n' "${lines[@]}"
    return 1
  fi
}

# refused PATTERN ARGUMENTS: a wrong command line.
refused() {
  local pattern=$1
  shift
  run_cbpfc "$@"
  fails_with 2 "$pattern; cbpfc --help tells more\$"
}

# put_u32 NUMBER...: each as four bytes, least first.
put_u32() {
  local number hex
  for number in "$@"; do
    hex=$(printf '%08x' "$number")
    printf '%b' "\\x${hex:6:2}\\x${hex:4:2}\\x${hex:2:2}\\x${hex:0:2}"
  done
}

# put_hex HEX: its bytes.
put_hex() {
  # shellcheck disable=SC2001  # & in a substitution takes bash 5.2
  printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

# make_pcap HEX...: a pcap file of these packets, a second apart, on standard output.
make_pcap() {
  local packet second=1700000000 bytes
  put_u32 0xa1b2c3d4 0x00040002 0 0 262144 1
  for packet in "$@"; do
    bytes=$((${#packet} / 2))
    put_u32 $((second++)) 7000 $bytes $bytes
    put_hex "$packet"
  done
}

# udp_packet PORT: an IPv4 UDP packet from port 1000 to that one, in hexadecimal.
udp_packet() {
  printf '020000000001020000000002080045000020000100004011%s03e8%04x000c000000000000' \
    0000c0000201c0000202 "$1"
}
