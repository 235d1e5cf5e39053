// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/rig.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/mount.h>

#include <array>
#include <fstream>
#include <sstream>

namespace xdpcap::test {
namespace {

constexpr std::uint32_t kZero = 0;

bpf_object* open_object(const std::string& name) {
  libbpf_set_print(nullptr);
  const std::string path = fmt::format("{}/{}.o", XDPCAP_TEST_PROGRAMS_DIR, name);
  bpf_object* object = bpf_object__open_file(path.c_str(), nullptr);
  if (object == nullptr) {
    give_up("open " + path);
  }
  return object;
}

int map_fd(const BpfObject& object, const char* name) {
  return bpf_object__find_map_fd_by_name(object.get(), name);
}

void set_entry(const BpfObject& object, const char* map, const void* value) {
  if (bpf_map_update_elem(map_fd(object, map), &kZero, value, BPF_ANY) != 0) {
    give_up(std::string("write map ") + map);
  }
}

}  // namespace

WorkDirectory::WorkDirectory(std::uint64_t tmpfs_bytes)
    : path_("/tmp/xdpcap-files-XXXXXX"), is_mounted_(tmpfs_bytes != 0) {
  if (::mkdtemp(path_.data()) == nullptr) {
    give_up("mkdtemp");
  }
  if (is_mounted_ && ::mount("tmpfs", path_.c_str(), "tmpfs", 0,
                             fmt::format("size={}", tmpfs_bytes).c_str()) != 0) {
    give_up("mount a tmpfs");
  }
}

WorkDirectory::~WorkDirectory() {
  if (is_mounted_) {
    ::umount2(path_.c_str(), MNT_DETACH);
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Target::Target(const TargetOptions& options)
    : object_(open_object(options.variant.multi_buffer ? "target_frags" : "target"),
              bpf_object__close) {
  bpf_program* program = bpf_object__find_program_by_name(object_.get(), "target");
  bpf_program__set_expected_attach_type(
      program, static_cast<bpf_attach_type>(options.variant.expected_attach_type));
  bpf_map* hook = bpf_object__find_map_by_name(object_.get(), "xdpcap_hook");
  if (bpf_map__set_max_entries(hook, options.slots) != 0 ||
      (options.hook_fd >= 0 && bpf_map__reuse_fd(hook, options.hook_fd) != 0) ||
      bpf_object__load(object_.get()) != 0) {
    give_up("load the target");
  }
}

int Target::program_fd() const {
  return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "target"));
}

int Target::hook_fd() const {
  return map_fd(object_, "xdpcap_hook");
}

void Target::want(std::optional<std::uint32_t> action) const {
  const std::array<std::uint32_t, 2> wanted = {action ? 1U : 0U, action.value_or(0)};
  set_entry(object_, "every_packet", wanted.data());
}

void Target::redirect_to(std::uint32_t ifindex) const {
  set_entry(object_, "redirect_to", &ifindex);
}

Generator::Generator(std::uint32_t ifindex) : object_(open_object("generator"), bpf_object__close) {
  if (bpf_object__load(object_.get()) != 0) {
    give_up("load the generator");
  }
  set_entry(object_, "generate_to", &ifindex);
}

void Generator::send(const Bytes& frame, std::uint32_t count) const {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.repeat = static_cast<int>(count);
  options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  const int fd = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "generate"));
  if (bpf_prog_test_run_opts(fd, &options) != 0) {
    give_up("BPF_PROG_TEST_RUN with live frames");
  }
}

std::uint64_t Generator::sent() const {
  std::vector<std::uint64_t> counts(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(map_fd(object_, "generated"), &kZero, counts.data()) != 0) {
    give_up("read map generated");
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) {
    sum += count;
  }
  return sum;
}

Rig::Rig(const RigOptions& options)
    : sender_(options.net), observed_(options.net), target_(options.target) {
  hook_path_ = pins_.pin(target_.hook_fd(), "hook");
  const std::string end = fmt::format("mtu {} numtxqueues {} numrxqueues {}", options.net.mtu,
                                      options.net.queues, options.net.queues);
  run_command(fmt::format("ip -n {} link add to_b {} type veth peer name to_a {} netns {}",
                          sender_.name(), end, end, observed_.name()));
  sender_.run(fmt::format("ip -n {} link set to_b addrgenmode none up", sender_.name()));
  observed_.run(fmt::format("ip -n {} link set to_a addrgenmode none up", observed_.name()));
  const auto pass = [&](std::uint32_t ifindex) {
    programs_.push_back(load_returning(
        kPass, {.expected_attach_type = 37, .multi_buffer = has_multi_buffer()}, "test_pass"));
    links_.push_back(attach_xdp(programs_.back().get(), ifindex));
  };
  {
    const auto inside = sender_.enter();
    sender_ifindex_ = ::if_nametoindex("to_b");
    pass(sender_ifindex_);
  }
  const auto inside = observed_.enter();
  observed_ifindex_ = ::if_nametoindex("to_a");
  pass(observed_.right_ifindex());
  target_.redirect_to(observed_.left_ifindex());
  links_.push_back(attach_xdp(target_.program_fd(), observed_ifindex_, options.native));
}

std::uint64_t Rig::arrived_frames() const {
  const auto inside = observed_.enter();
  // Opened anew: /proc/net follows the thread's namespace.
  std::ifstream table("/proc/thread-self/net/dev");
  for (std::string line; std::getline(table, line);) {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    if (const std::size_t at = line.find("to_a:"); at != std::string::npos) {
      std::istringstream(line.substr(at + 5)) >> bytes >> packets;
      return packets;
    }
  }
  give_up("read /proc/net/dev");
}

std::vector<std::uint32_t> slots_of(int hook_fd) {
  bpf_map_info info{};
  std::uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(hook_fd, &info, &size) != 0) {
    give_up("ask for the hook's size");
  }
  std::vector<std::uint32_t> ids;
  for (std::uint32_t slot = 0; slot < info.max_entries; ++slot) {
    std::uint32_t id = 0;
    ids.push_back(bpf_map_lookup_elem(hook_fd, &slot, &id) == 0 ? id : 0);
  }
  return ids;
}

std::size_t filled_slots(int hook_fd) {
  std::size_t filled = 0;
  for (const std::uint32_t id : slots_of(hook_fd)) {
    filled += id != 0 ? 1 : 0;
  }
  return filled;
}

void empty_slots(int hook_fd) {
  for (std::uint32_t slot = 0; slot < slots_of(hook_fd).size(); ++slot) {
    bpf_map_delete_elem(hook_fd, &slot);
  }
}

}  // namespace xdpcap::test
