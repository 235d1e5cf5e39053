// SPDX-License-Identifier: BSD-3-Clause

#include "tools/guarded_capture.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "attach/hook_variant.h"
#include "attach/join_chain.h"
#include "cli/report.h"
#include "cli/status.h"
#include "guard/chain_service.h"
#include "kernel/process.h"
#include "tools/xdpcap_report.h"

namespace xdpcap {
namespace {

void say_over_status(const std::string& sentence) {
  cli::print_over_status(fmt::format("xdpcap: {}\n", cli::printable(sentence)));
}

}  // namespace

HookLock open_lock(const XdpcapOptions& options) {
  Result<HookLock> lock = HookLock::open(options.run_directory);
  if (lock) {
    return *std::move(lock);
  }
  if (options.verbose) {
    say(fmt::format("changes of the hook are not serialised with other captures: {}",
                    lock.error().message));
  }
  return {};
}

Result<std::unique_ptr<GuardedCapture>> GuardedCapture::prepare(const Hook& hook,
                                                                const HookLock& lock,
                                                                const cbpfc::Filter& filter,
                                                                const XdpcapOptions& options,
                                                                const HookCaptureOptions& capture) {
  const Variant variant = TRY(find_variant(hook));
  JoinedChain joined =
      TRY(join_chain(hook, variant, lock,
                     {.actions = capture.actions,
                      .command_line = command_line(::getpid()),
                      .filter = options.filter,
                      .on_busy = options.on_busy,
                      .ask_others = [&] { return ask_for_chain(options.run_directory, hook); }}));
  for (const std::string& note : joined.notes) {
    say(note);
  }
  if (options.on_busy != OnBusy::Replace) {
    const std::vector<std::string> foreign =
        TRY(joined.place.chain().open_foreign(capture.actions));
    if (!options.is_silent) {
      std::ranges::for_each(foreign, say);
    }
  }
  std::unique_ptr<GuardedCapture> made(
      new GuardedCapture(options));  // NOLINT: the constructor is private
  made->guardian_.emplace(TRY(GuardianLink::start(hook, joined.place, options.run_directory)));
  made->capture_.emplace(
      TRY(HookCapture::prepare(hook, variant, std::move(joined.place), filter, capture)));
  if (const Result<std::map<Action, UniqueFd>> probes = made->capture_->load_probes()) {
    std::map<Action, int> descriptors;
    for (const auto& [action, program] : *probes) {
      descriptors[action] = program.get();
    }
    made->guardian_->give_programs(made->capture_->counters_fd(), descriptors);
  }
  return made;
}

void GuardedCapture::note(const CaptureStatistics& statistics) {
  constexpr int kPatienceSeconds = 5;
  const PacketTotals all = sum(statistics.totals);
  const std::uint64_t recorded = all.matched - std::min(all.matched, all.lost + all.held_back);
  if (++seconds_ == kPatienceSeconds && recorded == 0) {
    guardian_->explain();
  }
}

Result<void> GuardedCapture::enter() {
  return capture_->enter(options_.on_busy == OnBusy::Replace);
}

Result<void> GuardedCapture::leave() {
  Result<bool> left = guardian_->leave();
  if (left && !*left) {
    return capture_->detach();
  }
  capture_->place().note_left();
  return left ? Result<void>{} : Result<void>(std::unexpected(std::move(left).error()));
}

std::optional<CaptureWatch::End> GuardedCapture::look() {
  while (std::optional<GuardianLink::Word> word = guardian_->hear()) {
    switch (word->kind) {
      case GuardianLink::Word::Kind::Notice: say_over_status(word->text); break;
      case GuardianLink::Word::Kind::Gone:
        if (!capture_->place().is_held()) {
          return End{
              .error = Error{
                  .code = Errc::Kernel,
                  .message =
                      "the guardian process ended, and has taken this capture out of the hook",
                  .detail = {},
                  .sys_errno = 0}};
        }
        say_over_status(
            "the guardian process has been killed; the capture goes on, but if it is killed, too, "
            "its programs stay in the hook until the next xdpcap there");
        break;
      case GuardianLink::Word::Kind::End: say_over_status(word->text); return End{};
      case GuardianLink::Word::Kind::Failed:
        return End{.error = Error{
                       .code = Errc::Busy, .message = word->text, .detail = {}, .sys_errno = 0}};
    }
  }
  return std::nullopt;
}

}  // namespace xdpcap
