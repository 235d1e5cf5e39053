// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_start.h"

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "base/report.h"
#include "base/safe_path.h"
#include "cbpfc/input/filter_text.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {

namespace {

constexpr std::chrono::milliseconds kRetryInterval{250};

// "drop (1)"; the kernel has no name for 5 and above.
std::string describe(Action action) {
  const std::size_t number = index(action);
  return number < kActions.size() ? fmt::format("{} ({})", short_name(action), number)
                                  : std::to_string(number);
}

std::string list_names(const std::vector<Action>& actions) {
  std::vector<std::string_view> names(actions.size());
  std::ranges::transform(actions, names.begin(), [](Action action) { return name(action); });
  return fmt::format("{}", fmt::join(names, ", "));
}

// The link type in the file: LINKTYPE_RAW as its DLT_* number.  libpcap compares the DLT_* of a file's
// first interface with the LINKTYPE_* of the others, and so refuses a file with several interfaces of a
// type whose numbers differ; for raw IP, Wireshark and libpcap know both.  Of other such types (a few
// old ones) tcpdump reads only files of a single action; Wireshark reads all.
// Source: libpcap 1.10.3 sf-pcapng.c pcap_ng_next_packet().
std::uint16_t file_link_type(const cbpfc::LinkType& type) {
  constexpr int kDltRaw = 12;
  return type.dlt == kDltRaw ? kDltRaw : type.linktype;
}

std::string base_name(std::string path) {
  path.erase(path.find_last_not_of('/') + 1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

Result<GivenFilter> filter_of_text(const std::string& text, const cbpfc::LinkType& link_type) {
  const bool is_program = cbpfc::looks_like_program(text);
  const std::string context = is_program ? "filter program" : "filter";
  const std::vector<cbpfc::RawInsn> raw =
      TRY((is_program ? cbpfc::parse_program(text)
                      : cbpfc::compile_expression(text, {.dlt = link_type.dlt}))
              .with_context(context));
  GivenFilter given{
      .text = text,
      .filter = TRY(cbpfc::Filter::decode(raw, cbpfc::Accept::Compiler).with_context(context))};
  TRY(check_loads(given.filter, link_type, is_program ? "" : text).with_context(context));
  return given;
}

// The instructions in a file, or an error that quotes nothing of it.
Result<std::vector<cbpfc::RawInsn>> compile_unquoted(const std::string& text,
                                                     const cbpfc::LinkType& link_type) {
  if (!cbpfc::looks_like_program(text)) {
    return cbpfc::compile_expression(text, {.dlt = link_type.dlt, .quotes = false});
  }
  Result<std::vector<cbpfc::RawInsn>> raw = cbpfc::parse_program(text);
  if (!raw) {
    raw.error().message = "it begins like a program as tcpdump prints them, but is not one";
  }
  return raw;
}

Result<GivenFilter> filter_of_file(const FilterFile& file, const std::string& contents,
                                   const cbpfc::LinkType& link_type) {
  command::FilterText text = command::parse_filter_text(contents);
  Result<std::vector<cbpfc::RawInsn>> raw = compile_unquoted(text.text, link_type);
  if (!raw) {
    const Error& error = raw.error();
    const std::string place = error.offset ? ", " + text.describe(*error.offset) : "";
    const std::string advice =
        file.can_be_read_again() ? fmt::format("; `cbpfc -F {}` shows the text", file.name()) : "";
    return fail(error.code,
                fmt::format("filter in {}{}: {}{}", file.name(), place, error.message, advice));
  }
  cbpfc::Filter filter = TRY(cbpfc::Filter::decode(*raw, cbpfc::Accept::Compiler)
                                 .with_context("filter in " + file.name()));
  TRY(check_loads(filter, link_type, cbpfc::looks_like_program(text.text) ? "" : text.text)
          .with_context("filter in " + file.name()));
  return GivenFilter{.text = std::move(text.text), .filter = std::move(filter)};
}

}  // namespace

TrustedUsers trusted_users(const std::optional<User>& user) {
  return {.also = user ? std::optional(user->uid) : std::nullopt};
}

Result<CaptureFiles> find_files(const XdpcapOptions& options, const std::optional<User>& user) {
  CaptureFiles files;
  if (options.filter_file) {
    files.filter = std::make_shared<const FilterFile>(
        TRY(FilterFile::find(*options.filter_file, trusted_users(user)).with_context("option -F")));
  }
  if (!options.prometheus.empty()) {
    files.statistics = std::make_shared<const StatisticsFile>(
        TRY(StatisticsFile::find(options.prometheus, trusted_users(user))
                .with_context("option -stats-prometheus")));
  }
  return files;
}

Result<GivenFilter> given_filter(const XdpcapOptions& options, const CaptureFiles& files) {
  return files.filter == nullptr
             ? filter_of_text(options.filter, options.link_type)
             : filter_of_file(*files.filter, TRY(files.filter->read()), options.link_type);
}

Result<GivenFilter> filter_again(const FilterFile& file, const cbpfc::LinkType& link_type) {
  return filter_of_file(file, TRY(file.read_again()), link_type);
}

std::vector<Action> choose_actions(const Hook& hook, const XdpcapOptions& options) {
  return options.actions.value_or(hook.actions());
}

std::string missing_slots_warning(const Hook& hook) {
  if (hook.slots() > kMostActions) {
    return fmt::format(
        "warning: hook {0} has {1} slots; xdpcap captures from the first {2}, packets with action {2} "
        "and above cannot be seen",
        hook.path(), hook.slots(), kMostActions);
  }
  std::vector<Action> missing(kActions.begin(), kActions.end());
  std::erase_if(missing, [&](Action action) { return index(action) < hook.slots(); });
  if (missing.empty()) {
    return {};
  }
  return fmt::format("warning: hook {} has {}; packets with {} cannot be seen", hook.path(),
                     counted(hook.slots(), "slot"), list_names(missing));
}

Result<Waited> await_owner(const Hook& hook, const cli::StopSignals& signals) {
  while (!TRY(hook.has_owner())) {
    if (signals.wait(kRetryInterval)) {
      return Waited::Stopped;
    }
  }
  return Waited::Done;
}

namespace {

bool is_pipe_without_name(const std::string& path) {
  struct statfs status{};
  return ::statfs(path.c_str(), &status) == 0 && status.f_type == PIPEFS_MAGIC;
}

}  // namespace

Waited await_reader(const std::string& path, const TrustedUsers& trusted,
                    const cli::StopSignals& signals, UniqueFd& keep) {
  struct stat status{};
  const Result<SafePlace> place = SafePlace::find(path, trusted);
  if (!place || place->status(status) != 0 || !S_ISFIFO(status.st_mode)) {
    return Waited::Done;
  }
  while (true) {
    Result<UniqueFd> pipe = place->open_existing(O_WRONLY | O_NONBLOCK);
    if (pipe) {
      keep = *std::move(pipe);
      return Waited::Done;
    }
    // Any other error is found again, and said, when the pipe is opened for good.
    if (pipe.error().sys_errno != ENXIO) {
      return Waited::Done;
    }
    // A pipe without a name gets no other reader, and one that has gone is a normal end.
    if (is_pipe_without_name(path) || signals.wait(kRetryInterval)) {
      return Waited::Stopped;
    }
  }
}

PcapngSection make_section(const XdpcapOptions& options, const std::vector<Action>& actions,
                           const std::vector<IngressInterface>& ingress) {
  PcapngSection section;
  utsname machine{};
  if (::uname(&machine) == 0) {
    section.hardware = machine.machine;
    section.os = fmt::format("{} {} {}", machine.sysname, machine.release, machine.version);
  }
  section.application = "xdpcap " XDPCAP_VERSION;
  section.linktype = file_link_type(options.link_type);
  section.snaplen_bytes = options.snaplen_bytes;
  for (const Action action : actions) {
    section.interfaces.push_back(
        {.name = options.like_original
                     ? "XDP" + cli::original_name(action)
                     : fmt::format("{}:{}", base_name(options.hook_path), name(action)),
         .description = fmt::format("XDP action {}, hook {}; {}", describe(action),
                                    options.hook_path, describe_ingress(ingress)),
         .filter = options.filter});
  }
  return section;
}

// Tested by: xdpcap/tests/cli/filters.bats.

namespace {

using cbpfc::Error;
using cbpfc::Result;

constexpr std::uint32_t kPacketType = 4;  // SKF_AD_PKTTYPE
constexpr int kEthernet = 1;              // DLT_EN10MB

/// libpcap loads the packet type for these two keywords only.
bool asks_for_direction(const cbpfc::Filter& filter) {
  return std::ranges::any_of(filter.insns(), [](const cbpfc::Insn& insn) {
    const auto* load = std::get_if<cbpfc::LoadAncillary>(&insn);
    return load != nullptr && load->offset == kPacketType;
  });
}

Error in_words_of_xdpcap(Error error, const cbpfc::LinkType& link_type) {
  if (error.option == "ancillary.from_frame") {
    error.message += fmt::format(", and packets of -linktype {} are none", link_type.name);
  } else if (error.option == "ancillary.helpers") {
    error.message +=
        ", and the filters of xdpcap make none; to thin out packets at random, use -sample";
  }
  error.option.clear();
  return error;
}

}  // namespace

Result<void> check_loads(const cbpfc::Filter& filter, const cbpfc::LinkType& link_type,
                         std::string_view expression) {
  if (!expression.empty() && asks_for_direction(filter)) {
    return fail(cbpfc::Errc::Unsupported,
                fmt::format("\"{}\": XDP programs see packets only as they arrive; leave it out",
                            expression.contains("outbound") ? "outbound" : "inbound"));
  }
  Result<void> checked = cbpfc::check_ancillary(
      filter, {.from_frame = link_type.dlt == kEthernet, .context = cbpfc::ebpf::Reg::R6});
  if (!checked) {
    return std::unexpected(in_words_of_xdpcap(std::move(checked).error(), link_type));
  }
  return {};
}

Result<std::optional<FlightRecorder>> allocate_recorder(const XdpcapOptions& options) {
  if (!options.recorder_bytes) {
    return std::nullopt;
  }
  return TRY(FlightRecorder::allocate(*options.recorder_bytes).with_context("option -ring"));
}

Result<void> check_triggers(const XdpcapOptions& options, const std::vector<Action>& actions) {
  for (const RateLimit& limit : options.triggers) {
    if (std::ranges::find(actions, limit.action) == actions.end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("option -trigger: hook {} has no slot for {}; leave that trigger out",
                              options.hook_path, name(limit.action)));
    }
  }
  return {};
}

RecorderOptions recorder_options(FlightRecorder& memory, const XdpcapOptions& options,
                                 PcapngSection section, const cli::RequestSignals& dump_signal) {
  RecorderOptions recorder{.memory = &memory,
                           .section = std::move(section),
                           .request_fd = dump_signal.fd(),
                           .triggers = options.triggers,
                           .on_dump = {}};
  if (!options.quiet) {
    recorder.on_dump = [&options](const Dump& dump) {
      cli::print_over_status(fmt::format("flight recorder: {} written to {}: {}\n",
                                         counted(dump.packets, "packet"),
                                         cli::printable(options.output), dump.reason));
    };
  }
  return recorder;
}

}  // namespace xdpcap
