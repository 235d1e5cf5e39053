#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause

load helper

@test "help goes to standard output, in every spelling" {
  for option in -h -help --help; do
    [ "$("$xdpcap" $option 2>/dev/null | head -n 1)" = "Usage: xdpcap [options] <hook> <output> [<filter>]" ]
  done
}

@test "help fits a terminal of 80 columns" {
  local command
  for command in xdpcap cbpfc bpfoff; do
    run "$XDPCAP_TOOLS/$command" --help
    [ "$status" -eq 0 ]
    awk -v name="$command" 'length > 80 { print name ": " $0; wide = 1 } END { exit wide }' <<<"$output"
  done
}

@test "help names every option, and needs neither hook nor root" {
  run setpriv --reuid 65534 --clear-groups "$xdpcap" -h
  [ "$status" -eq 0 ]
  for option in -actions -buffer -watermark -flush -linktype -snaplen -ring -trigger -mode -Z -list -status -detach -diagnose -passive -json -compat -on-busy -force -wait -q -v -help -version; do
    [[ $output == *$option* ]]
  done
}

@test "messages spell options as the help does" {
  local source=$BATS_TEST_DIRNAME/../../src option help
  help=$("$xdpcap" -h)
  # Words in string literals that begin with a dash, but those of other tools.
  for option in $(cat "$source"/{attach,guard,capture,kernel,pcapng,privilege}/*.cc "$source"/tools/{diagnose,guarded,hook,output,xdpcap}*.cc |
    sed -E 's/(ulimit -[a-z]|mount -t|nsenter --net|install -d -m 700 -o|useradd -r)//g' | grep -oE '"[^"]*"' |
    grep -oE '(^"|[ `(])--?[a-zA-Z][a-zA-Z-]*' | tr -d '" `(' | sort -u); do
    [[ $help =~ (^|[[:space:]])$option([,[:space:]]|$) ]] || {
      echo "the help has no $option"
      return 1
    }
  done
}

@test "version names xdpcap and libpcap" {
  run "$xdpcap" --version
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "xdpcap $XDPCAP_VERSION" ]
  [[ ${lines[1]} == "libpcap version "* ]]
  [ "${#lines[@]}" -eq 2 ]
}

@test "help wins over missing words" {
  run "$xdpcap" -q --help
  [ "$status" -eq 0 ]
}

@test "a standard output that takes nothing is an error" {
  for command in "xdpcap -h" "xdpcap --version" "bpfoff -h" "bpfoff --version" "bpfoff 0 ip"; do
    run bash -c "'$XDPCAP_TOOLS'/$command > /dev/full"
    [ "$status" -eq 1 ]
    [ "$output" = "${command%% *}: write to standard output: No space left on device" ]
  done
}

@test "bpfoff: exit codes and messages" {
  bpfoff=$XDPCAP_TOOLS/bpfoff
  run "$bpfoff" 0 ip
  [ "$status" -eq 0 ]
  run "$bpfoff"
  [ "$status" -eq 2 ]
  [ "$output" = "bpfoff: offsets and an expression are missing; bpfoff --help tells more" ]
  run "$bpfoff" x ip
  [ "$status" -eq 2 ]
  [ "${#lines[@]}" -eq 1 ]
  run "$bpfoff" 0 "ip and and"
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = 'bpfoff: expression "ip and and": syntax error at column 8, at "and"' ]
}

@test "bpfoff: numbers and -- as the original takes them" {
  bpfoff=$XDPCAP_TOOLS/bpfoff
  wanted=$("$bpfoff" 10,34,1000 tcp)
  [ "$("$bpfoff" -- 34,10,1000 tcp)" = "$wanted" ]
  [ "$("$bpfoff" -- 0b1010,042,1_000 tcp)" = "$wanted" ]
  [ "$("$bpfoff" 0o12,0x22,0x3_e8 tcp)" = "$wanted" ]
  for bad in 1_ _1 08 0x " 1" "1 " -1 1, "" 4294967296; do
    run "$bpfoff" -- "$bad" tcp
    [ "$status" -eq 2 ]
    [[ $output =~ ^"bpfoff: <offset>, in bytes: ".*"from 0 to 4294967295" ]]
  done
  run "$bpfoff" --
  [ "$status" -eq 2 ]
  [ "$output" = "bpfoff: offsets and an expression are missing; bpfoff --help tells more" ]
}

@test "bpfoff needs no libbpf" {
  ldd "$XDPCAP_TOOLS/bpfoff" | grep -q libpcap
  ! ldd "$XDPCAP_TOOLS/bpfoff" | grep libbpf || false
}
