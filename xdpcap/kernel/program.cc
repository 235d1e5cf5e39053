// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel_calls/errors_test.cc, tests/kernel.

#include "xdpcap/kernel/program.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace xdpcap {
namespace {

constexpr std::size_t kFirstLogBytes = 64U << 10;
constexpr std::size_t kLastLogBytes = 16U << 20;

/// "GPL" in it for helpers that ask; the instructions themselves are as free as this program.
constexpr const char* kLicense = "Dual BSD/GPL";

/// Index: enum bpf_prog_type.
constexpr std::array<std::string_view, 8> kProgramTypeNames = {"unspecified",
                                                               "socket filter",
                                                               "kprobe",
                                                               "traffic control classifier",
                                                               "traffic control action",
                                                               "tracepoint",
                                                               "XDP",
                                                               "perf event"};

/// What the verifier writes.  Source: Linux v6.18 include/linux/bpf_verifier.h BPF_LOG_LEVEL1, BPF_LOG_STATS.
enum class Log : std::uint32_t {
  EachInstruction = 1,
  Reason = 4,  ///< and statistics, Linux 5.2
};

/// Loads once.  Returns the descriptor, or -1 with errno; a log is written when `log` has room.
int load_once(const XdpProgramSpec& spec, std::vector<char>& log, Log level = Log::Reason) {
  bpf_prog_load_opts options{};
  options.sz = sizeof(options);
  options.expected_attach_type = static_cast<bpf_attach_type>(spec.expected_attach_type);
  options.prog_flags = spec.multi_buffer ? std::uint32_t{BPF_F_XDP_HAS_FRAGS} : 0U;
  if (!log.empty()) {
    log.front() = '\0';
    options.log_level = static_cast<std::uint32_t>(level);
    options.log_buf = log.data();
    options.log_size = static_cast<std::uint32_t>(log.size());
  }
  // cbpfc::ebpf::Insn has the layout of struct bpf_insn, whose registers are bit fields.
  const auto* insns = reinterpret_cast<const bpf_insn*>(spec.insns.data());
  return bpf_prog_load(BPF_PROG_TYPE_XDP, spec.name.c_str(), kLicense, insns, spec.insns.size(),
                       &options);
}

bool is_instruction(std::string_view line) {
  const std::size_t digits = line.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string_view::npos && line.substr(digits).starts_with(": (");
}

/// What a log also has when the verifier accepted the program and something behind it refused.
bool is_progress(std::string_view line) {
  return is_instruction(line) || line.starts_with("from ") || line.ends_with(": safe");
}

/// Statistics the verifier ends its log with.
bool is_summary(std::string_view line) {
  constexpr std::array<std::string_view, 4> kStarts = {"processed ", "verification time ",
                                                       "stack depth ", "max_states"};
  return std::ranges::any_of(kStarts, [line](std::string_view s) { return line.starts_with(s); });
}

/// What the verifier does no more than, if it gave up on a program for that; empty if it found a fault.
std::string exceeded_limit(std::string_view reason) {
  if (reason.starts_with("The sequence of ")) {
    return "keeps at most 8,192 branches whose other way it has yet to look at";
  }
  if (reason.starts_with("BPF program is too large")) {
    return "looks at no more than 1,000,000, and at some once for each way that leads there";
  }
  return "";
}

std::unexpected<Error> load_failure(const XdpProgramSpec& spec, int error_number,
                                    const std::string& log) {
  const std::string attempt = fmt::format("load program {}", spec.name);
  const std::string reason = last_words(log);
  const bool lacks_rights =
      !missing_capabilities(kProgramCapabilities, effective_capabilities()).empty();
  if (reason.empty()) {
    // Without rights the kernel takes no more than 4,096 instructions, and says so before anything else.
    const int said = error_number == E2BIG && lacks_rights ? EPERM : error_number;
    return kernel_failure(attempt, said, kProgramCapabilities);
  }
  const bool is_refused = error_number == EPERM || error_number == EACCES;
  if (is_refused && lacks_rights) {
    return fail(Errc::Permission,
                fmt::format("{}: {} (the verifier said: {})", attempt,
                            describe_errno(error_number, kProgramCapabilities), reason),
                error_number, log);
  }
  if (const std::string limit = exceeded_limit(reason); !limit.empty()) {
    return fail(
        Errc::VerifierRejected,
        fmt::format("{}: its {} instructions are too much for the kernel's verifier, which {}; {}",
                    attempt, spec.insns.size(), limit, cbpfc::ebpf::kHowToShorten),
        error_number, log);
  }
  return fail(Errc::VerifierRejected,
              fmt::format("{}: the kernel verifier refused it: {}", attempt, reason), error_number,
              log);
}

}  // namespace

std::string last_words(std::string_view verifier_log) {
  std::string reason;
  while (!verifier_log.empty()) {
    const std::size_t newline = verifier_log.find_last_of('\n');
    const std::string_view line =
        newline == std::string_view::npos ? verifier_log : verifier_log.substr(newline + 1);
    verifier_log = newline == std::string_view::npos ? "" : verifier_log.substr(0, newline);
    if (reason.empty() && is_progress(line)) {
      return "";
    }
    if (is_instruction(line)) {
      return fmt::format("{}, at {}", reason, line.substr(0, line.find(" ;")));
    }
    if (reason.empty() && !line.empty() && !is_summary(line)) {
      reason = line;
    }
  }
  return reason;
}

Result<UniqueFd> load_xdp_program(const XdpProgramSpec& spec) {
  silence_libbpf();
  std::vector<char> log;
  int fd = load_once(spec, log);
  if (fd >= 0) {
    return UniqueFd(fd);
  }
  int error_number = errno;
  const auto text = [&] {
    return log.empty() ? std::string() : std::string(log.data(), ::strnlen(log.data(), log.size()));
  };
  log.assign(kFirstLogBytes, '\0');
  fd = load_once(spec, log, Log::Reason);
  // Of a program that is too much, the log of each instruction takes long and tells nothing.
  const bool is_known = !exceeded_limit(last_words(text())).empty();
  for (std::size_t size = kFirstLogBytes; fd < 0 && !is_known && size <= kLastLogBytes; size *= 4) {
    log.assign(size, '\0');
    fd = load_once(spec, log, Log::EachInstruction);
    if (fd >= 0 || errno != ENOSPC) {
      // The reason is the same as of the first try, but for a log that did not fit.
      error_number = errno;
      break;
    }
  }
  if (fd >= 0) {
    return UniqueFd(fd);
  }
  return load_failure(spec, error_number, text());
}

Result<std::uint32_t> program_id(int program_fd) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
    return kernel_failure("ask for a program's id", errno, kProgramCapabilities);
  }
  return info.id;
}

Result<std::string> program_name(std::uint32_t program_id) {
  const UniqueFd fd(bpf_prog_get_fd_by_id(program_id));
  if (!fd.is_open()) {
    return kernel_failure(fmt::format("open program {}", program_id), errno, kIdCapabilities);
  }
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
    return kernel_failure(fmt::format("ask for the name of program {}", program_id), errno,
                          kIdCapabilities);
  }
  return std::string(info.name, ::strnlen(info.name, sizeof(info.name)));
}

std::string program_type_name(std::uint32_t type) {
  return type < kProgramTypeNames.size() ? std::string(kProgramTypeNames[type])
                                         : fmt::format("type {}", type);
}

// The kernel says how many maps a program has, and writes as many ids as there is room for.  The number grows when
// somebody binds a map to the program (BPF_PROG_BIND_MAP), so the room is made again until all are in it.

Result<ProgramInfo> program_info(int program_fd) {
  std::vector<std::uint32_t> map_ids;
  bpf_prog_info info{};
  do {
    map_ids.resize(info.nr_map_ids);
    info = {};
    info.nr_map_ids = static_cast<__u32>(map_ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
      return kernel_failure("ask what a program is", errno, kProgramCapabilities);
    }
  } while (info.nr_map_ids > map_ids.size());
  map_ids.resize(info.nr_map_ids);
  return ProgramInfo{.id = info.id,
                     .type = info.type,
                     .name = std::string(info.name, ::strnlen(info.name, sizeof(info.name))),
                     .map_ids = std::move(map_ids),
                     .user_id = info.created_by_uid};
}

Result<std::vector<cbpfc::ebpf::Insn>> program_instructions(int program_fd) {
  using cbpfc::ebpf::Insn;
  std::vector<Insn> insns;
  for (std::size_t size_bytes = 0;;) {
    insns.resize(size_bytes / sizeof(Insn));
    bpf_prog_info info{};
    info.xlated_prog_len = static_cast<__u32>(size_bytes);
    info.xlated_prog_insns = reinterpret_cast<std::uintptr_t>(insns.data());
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &size) != 0) {
      return kernel_failure("ask for the instructions of a program", errno, kProgramCapabilities);
    }
    if (info.xlated_prog_len == 0 || (size_bytes != 0 && info.xlated_prog_insns == 0)) {
      return std::vector<Insn>();
    }
    if (info.xlated_prog_len == size_bytes) {
      return insns;
    }
    size_bytes = info.xlated_prog_len;
  }
}

}  // namespace xdpcap
