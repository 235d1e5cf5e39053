// SPDX-License-Identifier: BSD-3-Clause
//
// The header for XDP programs that xdpcap can look into.
//
// A hook is a program array with one slot for each XDP action.  The XDP program ends by
// tail-calling into it with its action as index.  The slots are empty until somebody captures; a
// tail call into an empty slot does nothing, and the program returns its action.  While a capture
// runs, the slot holds a program that copies the packet and returns the same action, so the network
// sees no difference.
//
//     #include <linux/bpf.h>
//     #include <bpf/bpf_helpers.h>
//     #include <xdpcap/hook.h>
//
//     XDPCAP_HOOK_BTF(xdpcap_hook);
//
//     SEC("xdp")
//     int my_program(struct xdp_md *ctx)
//     {
//             return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
//     }
//
// This is C for clang's bpf target, at -O1 or above.  It needs <linux/bpf.h> or a vmlinux.h
// included before it, and nothing else: <bpf/bpf_helpers.h> may come before it, after it, or not at
// all, and helper declarations of the program's own do not collide with it.
//
// Three ways to declare a hook; xdpcap_exit() takes them all:
//
//     XDPCAP_HOOK_BTF(hook);                                  BTF-style: libbpf and most loaders
//     XDPCAP_HOOK_BTF_PINNED(hook);                           the same, and the loader pins it
//     struct bpf_map_def SEC("maps") hook = XDPCAP_HOOK();    legacy: loaders before libbpf 1.0
//
// What a program has to observe:
//
// * The hook must be pinned, as by `bpftool prog load FILE PIN pinmaps DIR` or by the pinned form
//   above: the pin is what xdpcap opens.  It must also stay pinned, or open in the loader: the
//   kernel empties a program array when its last pin and descriptor go, even while programs that
//   use it still run.
// * All programs that use one hook must be alike, because the kernel keeps one kind of program in
//   an array: no hook for both SEC("xdp") and SEC("xdp.frags") programs.
// * Return what xdpcap_exit() returns, at once.  In a function that was not inlined, a tail call
//   replaces that function only, and its value comes back to the caller, which has to return it
//   too.  (Linux 5.10 and later on x86, 6.0 on arm64; older kernels refuse such a program.)
// * Do not read the packet after xdpcap_exit() through pointers from before it.  A capture changes
//   nothing, but Linux 6.13 to early 6.18, and later stable releases of 6.6 and 6.12, assume
//   that any tail call may change the packet, and refuse the program.
// * The kernel ends a chain of tail calls after 33.  A program that used all 33 on its way to the
//   hook returns its action, and xdpcap does not see the packet.
// * An action without a slot (5 and above, or 4 in a hook of four slots) is returned unseen.  The
//   kernel treats actions above 4 as XDP_ABORTED; who looks for them declares a hook of up to 32
//   slots by hand.
//
// Cost: a tail call into an empty slot, a few nanoseconds a packet.  Any licence will do for the
// program: bpf_tail_call() is open to all.
//
// Stability: names, argument order and the layout of the map (program array, 4-byte key and value,
// one slot for each action from 0) do not change.  Programs and pinned maps made with the header of
// the original xdpcap stay usable, with its four slots as well as its five.
//
// Source: Linux v6.18 include/uapi/linux/bpf.h enum xdp_action; include/linux/bpf.h
// MAX_TAIL_CALL_CNT; kernel/bpf/arraymap.c prog_array_map_clear(); libbpf src/libbpf.c
// parse_btf_map_def().
// Tested by: xdpcap/tests/programs/hook_header_test, and every kernel test.

#ifndef XDPCAP_HOOK_H
#define XDPCAP_HOOK_H

#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#endif

/// Slots of a hook: one for each action, XDP_ABORTED (0) to XDP_REDIRECT (4).
#define XDPCAP_HOOK_SLOTS 5

/// Declares a hook called `name` as a BTF-style map.  To be used outside of functions, with a
/// semicolon.
///
/// The object must be compiled with -g, which makes the BTF that describes the map.
#define XDPCAP_HOOK_BTF(name)              \
  struct {                                 \
    int (*type)[BPF_MAP_TYPE_PROG_ARRAY];  \
    int (*key_size)[sizeof(int)];          \
    int (*value_size)[sizeof(int)];        \
    int (*max_entries)[XDPCAP_HOOK_SLOTS]; \
  } name __attribute__((section(".maps"), used))

/// Like XDPCAP_HOOK_BTF(), and asks the loader to pin the hook as `name`, or to reuse the hook that
/// is pinned there (LIBBPF_PIN_BY_NAME).
///
/// libbpf pins in /sys/fs/bpf unless it is told another directory
/// (bpf_object_open_opts.pin_root_path).
#define XDPCAP_HOOK_BTF_PINNED(name)       \
  struct {                                 \
    int (*type)[BPF_MAP_TYPE_PROG_ARRAY];  \
    int (*key_size)[sizeof(int)];          \
    int (*value_size)[sizeof(int)];        \
    int (*max_entries)[XDPCAP_HOOK_SLOTS]; \
    int (*pinning)[1];                     \
  } name __attribute__((section(".maps"), used))

/// Initialises a hook declared as `struct bpf_map_def` in section "maps", the old style.
///
/// The struct is the program's or its loader's own.  libbpf 1.0 and later refuse such maps.
#define XDPCAP_HOOK()                   \
  {                                     \
      .type = BPF_MAP_TYPE_PROG_ARRAY,  \
      .key_size = sizeof(int),          \
      .value_size = sizeof(int),        \
      .max_entries = XDPCAP_HOOK_SLOTS, \
  }

/// Returns `action`, after showing the packet and the action to whoever captures from the hook.
///
/// `hook_map` is the address of a hook, declared in any of the three ways.  The packet is shown as
/// it is now: call this after the last change to it.
///
/// 12 is the helper bpf_tail_call().  The number is used because headers disagree on the name and the declaration, and a
/// cut-down <linux/bpf.h> has not even BPF_FUNC_tail_call.  Source: Linux include/uapi/linux/bpf.h ___BPF_FUNC_MAPPER.
static __attribute__((always_inline)) inline enum xdp_action xdpcap_exit(struct xdp_md* ctx,
                                                                         void* hook_map,
                                                                         enum xdp_action action) {
  ((long (*)(void*, void*, unsigned int))12)(ctx, hook_map, action);
  return action;
}

#endif
