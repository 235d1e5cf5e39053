// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/guarded_capture.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>
#include <vector>

#include "base/process_start.h"
#include "base/report.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/hook/hook_variant.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {

Result<std::unique_ptr<GuardedCapture>> GuardedCapture::prepare(const Hook& hook,
                                                                const cbpfc::Filter& filter,
                                                                const XdpcapOptions& options,
                                                                const HookCaptureOptions& capture,
                                                                int output_fd) {
  const Variant variant = TRY(find_variant(hook));
  HookCapture maps = TRY(HookCapture::prepare(hook, variant, capture));
  UniqueFd filter_memory(options.filter_file ? ::memfd_create("xdpcap_filter", MFD_CLOEXEC) : -1);
  const GuardianOptions guarding{
      .hook = hook,
      .filter = filter,
      .join = {.actions = capture.actions,
               .command_line = cli::command_line(::getpid()),
               .filter = options.filter,
               .pid = static_cast<std::uint32_t>(::getpid()),
               .on_busy = options.on_busy},
      .explains = !options.is_silent && options.request == Request::Capture,
      .filter_fd = filter_memory.get(),
      .output_fd = output_fd};
  Guardian guardian = TRY(Guardian::start(maps, guarding));
  return std::unique_ptr<GuardedCapture>(  // NOLINT: the constructor is private
      new GuardedCapture(options, std::move(maps), std::move(filter_memory), std::move(guardian)));
}

Result<void> GuardedCapture::get_place() {
  std::istringstream notes(TRY(guardian_.ask(std::nullopt)));
  for (std::string note; std::getline(notes, note);) {
    if (!options_.is_silent) {
      say(note);
    }
  }
  return {};
}

Result<void> GuardedCapture::send_filter(const cbpfc::Filter& filter,
                                         const std::string& text) const {
  const std::vector<cbpfc::RawInsn> raw = filter.encode();
  const auto bytes = std::as_bytes(std::span(raw));
  const int memory = filter_memory_.get();
  if (::ftruncate(memory, 0) != 0 || ::lseek(memory, 0, SEEK_SET) != 0 ||
      ::write(memory, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return fail(Errc::Io, fmt::format("hand over the filter: {}", errno_text(errno)), errno);
  }
  return guardian_.tell(MessageKind::Filter, fmt::format("filter {} read again: {}",
                                                         options_.filter_file.value_or(""), text));
}

void GuardedCapture::note(const CaptureStatistics& statistics) {
  constexpr int kPatienceSeconds = 5;
  const PacketTotals all = sum(statistics.totals);
  const std::uint64_t recorded = all.matched - std::min(all.matched, all.lost + all.held_back);
  if (++seconds_ == kPatienceSeconds && recorded == 0) {
    static_cast<void>(guardian_.tell(MessageKind::Explain));
  }
}

std::optional<CaptureWatch::End> GuardedCapture::look() {
  while (const std::optional<Message> message = guardian_.hear()) {
    const Result<std::string>& text = message->text;
    has_missed_ = has_missed_ || message->kind == MessageKind::Missed;
    if (message->kind == MessageKind::End && !text) {
      return End{.error = text.error()};
    }
    cli::print_over_status(text ? fmt::format("xdpcap: {}\n", cli::printable(*text))
                                : cli::format_error("xdpcap", text.error(), options_.verbose) +
                                      "xdpcap: the filter stays as it was\n");
    if (message->kind == MessageKind::End) {
      return End{};
    }
  }
  return std::nullopt;
}

}  // namespace xdpcap
