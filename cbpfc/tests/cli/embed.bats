#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
#
# What cbpfc makes, in the programs of its users: included as C, linked as an object, and as instructions.
# Needs root.

load helper

setup() {
  world=$(mktemp -d /tmp/cbpfc_embed_XXXXXX) # no dot: libbpf makes "_" of it in pins
  cd "$world" || return
  mkdir bpf
  mount -t bpf bpf bpf
}
teardown() {
  umount "$world/bpf"
  rm -rf "$world"
}

bpf_clang() { # SOURCE: to an object beside it, without a warning
  clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror \
    -idirafter "/usr/include/$(uname -m)-linux-gnu" -c "$1" -o "${1%.c}.o"
}

# verdict PROGRAM HEX: what a pinned program returns for a packet.
verdict() {
  printf '%b' "$(sed 's/../\\x&/g' <<<"$2")" >packet
  bpftool prog run pinned "bpf/$1" data_in packet repeat 1 | grep -oE 'Return value: [0-9]+' | grep -oE '[0-9]+'
}

digits_of() { # FILE: eight bytes a line, in hexadecimal
  od -An -v -t x1 -w8 "$1" | tr -d ' '
}

# drops_dns PROGRAM: XDP_DROP for what the filter matches, XDP_PASS for the rest.
drops_dns() {
  [ "$(verdict "$1" "$(udp_packet 53)")" = 1 ]
  [ "$(verdict "$1" "$(udp_packet 80)")" = 2 ]
  [ "$(verdict "$1" 0000000000000000000000000000)" = 2 ]
}

write_xdp_program() { # DECLARATION: on standard output
  cat <<END
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
$1
SEC("xdp") int drop_dns(struct xdp_md *ctx)
{
	return is_dns((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "BSD";
END
}

@test "an object is linked" {
  "$cbpfc" --to object --function is_dns -o is_dns.o udp port 53
  write_xdp_program 'extern __u32 is_dns(const __u8 *data, const __u8 *data_end);' >program.c
  bpf_clang program.c
  bpftool gen object linked.o program.o is_dns.o
  bpftool prog load linked.o bpf/drop_dns
  drops_dns drop_dns
}

@test "a C function is included" {
  "$cbpfc" --to c --function is_dns udp port 53 >is_dns.h
  write_xdp_program '#include "is_dns.h"' >program.c
  bpf_clang program.c
  bpftool prog load program.o bpf/drop_dns
  drops_dns drop_dns
}

@test "the instructions are those of the object's function" {
  # With a function's registers, behind which there is only its exit.
  "$cbpfc" --to object -o filter.o udp port 53
  objcopy -I elf64-little -O binary -j .text filter.o text
  diff <(digits_of text | head -n -1) \
    <("$cbpfc" --to ebpf-hex --registers start=R1,end=R2,result=R0,working=R0:R3:R4:R5,spare=R6:R7:R8:R9 \
      udp port 53)
  [ "$(digits_of text | tail -n 1)" = 9500000000000000 ]
}
