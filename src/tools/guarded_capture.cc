// SPDX-License-Identifier: BSD-3-Clause

#include "tools/guarded_capture.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>
#include <utility>
#include <vector>

#include "attach/hook_variant.h"
#include "cli/report.h"
#include "cli/status.h"
#include "kernel/errors.h"
#include "kernel/process.h"
#include "tools/xdpcap_report.h"

namespace xdpcap {
namespace {

// Others may be told to leave first, and long filters take the kernel their time.
constexpr std::chrono::seconds kPatience(30);

void say_over_status(const std::string& sentence) {
  cli::print_over_status(fmt::format("xdpcap: {}\n", cli::printable(sentence)));
}

}  // namespace

Result<std::unique_ptr<GuardedCapture>> GuardedCapture::prepare(const Hook& hook,
                                                                const cbpfc::Filter& filter,
                                                                const XdpcapOptions& options,
                                                                const HookCaptureOptions& capture,
                                                                int output_fd) {
  const Variant variant = TRY(find_variant(hook));
  HookCapture maps = TRY(HookCapture::prepare(hook, variant, capture));
  UniqueFd filter_memory(options.filter_file ? ::memfd_create("xdpcap_filter", MFD_CLOEXEC) : -1);
  const Post post{.hook = hook,
                  .filter = filter,
                  .join = {.actions = capture.actions,
                           .command_line = command_line(::getpid()),
                           .filter = options.filter,
                           .pid = static_cast<std::uint32_t>(::getpid()),
                           .on_busy = options.on_busy},
                  .explains = !options.is_silent && options.request == Request::Capture,
                  .filter_fd = filter_memory.get(),
                  .output_fd = output_fd};
  Guardian guardian = TRY(Guardian::start(maps, post));
  return std::unique_ptr<GuardedCapture>(  // NOLINT: the constructor is private
      new GuardedCapture(options, std::move(maps), std::move(filter_memory), std::move(guardian)));
}

Result<void> GuardedCapture::get_place() {
  std::istringstream notes(TRY(guardian_.ask(std::nullopt, kPatience)));
  for (std::string note; std::getline(notes, note);) {
    if (!options_.is_silent) {
      say(note);
    }
  }
  return {};
}

Result<void> GuardedCapture::enter() {
  TRY(guardian_.ask(MessageKind::Enter, kPatience));
  return {};
}

Result<void> GuardedCapture::leave() {
  constexpr std::chrono::seconds kPatienceAtTheEnd(3);
  TRY(guardian_.ask(MessageKind::Leave, kPatienceAtTheEnd));
  return {};
}

Result<void> GuardedCapture::send_filter(const cbpfc::Filter& filter,
                                         const std::string& text) const {
  const std::vector<cbpfc::RawInsn> raw = filter.encode();
  const std::size_t bytes = raw.size() * sizeof(cbpfc::RawInsn);
  const int memory = filter_memory_.get();
  if (::ftruncate(memory, 0) != 0 || ::lseek(memory, 0, SEEK_SET) != 0 ||
      ::write(memory, raw.data(), bytes) != static_cast<ssize_t>(bytes)) {
    return fail(Errc::Io, fmt::format("hand over the filter: {}", errno_text(errno)), errno);
  }
  return guardian_.tell(MessageKind::Filter, text);
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
    switch (message->kind) {
      case MessageKind::Missed: has_missed_ = true; [[fallthrough]];
      case MessageKind::Notice: say_over_status(message->text); break;
      case MessageKind::Filtered:
        say_over_status(fmt::format("filter {} read again: {}", options_.filter_file.value_or(""),
                                    message->text));
        break;
      case MessageKind::Refused:
        cli::print_over_status(
            cli::format_error("xdpcap", error_of(message->text), options_.verbose) +
            "xdpcap: the filter stays as it was\n");
        break;
      case MessageKind::End: say_over_status(message->text); return End{};
      case MessageKind::Broken: return End{.error = error_of(message->text)};
      default: break;
    }
  }
  return std::nullopt;
}

}  // namespace xdpcap
