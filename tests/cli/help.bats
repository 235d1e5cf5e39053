#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause

load helper

@test "help goes to standard output, in every spelling" {
  for option in -h -help --help; do
    [ "$("$xdpcap" $option 2>/dev/null | head -n 1)" = "Usage: xdpcap [options] <hook> <output> [<filter>]" ]
  done
}

@test "help names every option, and needs neither hook nor root" {
  run setpriv --reuid 65534 --clear-groups "$xdpcap" -h
  [ "$status" -eq 0 ]
  for option in -actions -buffer -watermark -flush -linktype -snaplen -wait -q -v -help -version; do
    [[ $output == *$option* ]]
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
