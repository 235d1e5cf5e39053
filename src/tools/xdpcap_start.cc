// SPDX-License-Identifier: BSD-3-Clause

#include "tools/xdpcap_start.h"

#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>

namespace xdpcap {

namespace {

constexpr std::chrono::milliseconds kRetryInterval{250};

// "XDPDrop" -> "drop".
std::string short_name(Action action) {
  std::string text(name(action).substr(3));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string list_names(const std::vector<Action>& actions) {
  std::vector<std::string_view> names;
  for (const Action action : actions) {
    names.push_back(name(action));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<Action> actions_without_slot(const Hook& hook, std::span<const Action> wanted) {
  const std::vector<Action> present = hook.actions();
  std::vector<Action> missing;
  for (const Action action : wanted) {
    if (std::find(present.begin(), present.end(), action) == present.end()) {
      missing.push_back(action);
    }
  }
  return missing;
}

std::string base_name(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) {
    return path;
  }
  const std::string trimmed = path.substr(0, end + 1);
  return trimmed.substr(trimmed.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace

Result<cbpfc::Filter> make_filter(const std::string& text, const cbpfc::LinkType& link_type) {
  const bool is_program = cbpfc::looks_like_program(text);
  const std::string context = is_program ? "filter program" : fmt::format("filter \"{}\"", text);
  const std::vector<cbpfc::RawInsn> raw =
      TRY((is_program ? cbpfc::parse_program(text)
                      : cbpfc::compile_expression(text, {.dlt = link_type.dlt}))
              .with_context(context));
  return cbpfc::Filter::decode(raw).with_context(context);
}

Result<std::vector<Action>> choose_actions(const Hook& hook, const XdpcapOptions& options) {
  std::vector<Action> actions = options.actions.value_or(hook.actions());
  const std::vector<Action> missing = actions_without_slot(hook, actions);
  if (!missing.empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("hook {} has {} slots and none for {}; leave that out of -actions",
                            hook.path(), hook.slots(), list_names(missing)));
  }
  if (actions.empty()) {
    return fail(Errc::InvalidArgument,
                fmt::format("hook {} has no slot for any action", hook.path()));
  }
  return actions;
}

std::string missing_slots_warning(const Hook& hook) {
  const std::vector<Action> missing = actions_without_slot(hook, kActions);
  if (missing.empty()) {
    return {};
  }
  return fmt::format("warning: hook {} has {} slots; packets with {} cannot be seen", hook.path(),
                     hook.slots(), list_names(missing));
}

Result<Waited> await_owner(const Hook& hook, bool should_wait, const cli::StopSignals& signals) {
  while (!TRY(hook.has_owner())) {
    if (!should_wait) {
      return fail(Errc::Busy,
                  fmt::format("hook {}: no XDP program uses it yet, and a capture that came first "
                              "would lock the program out; load that first, or use --wait",
                              hook.path()));
    }
    if (signals.wait(kRetryInterval)) {
      return Waited::Stopped;
    }
  }
  return Waited::Done;
}

Result<void> check_slots_free(const Hook& hook, const std::vector<Action>& actions) {
  for (const Action action : actions) {
    const std::optional<SlotHolder> holder = TRY(hook.holder(action));
    if (holder) {
      const std::string program_name =
          holder->program_name.empty() ? "" : fmt::format(" ({})", holder->program_name);
      return fail(Errc::Busy,
                  fmt::format("hook {}: the slot of {} is taken by program {}{}; end that capture, "
                              "or leave the action out with -actions",
                              hook.path(), name(action), holder->program_id, program_name));
    }
  }
  return {};
}

Waited await_reader(const std::string& path, const cli::StopSignals& signals, UniqueFd& keep) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISFIFO(status.st_mode)) {
    return Waited::Done;
  }
  while (true) {
    keep.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    // Any other error is the business of whoever opens the pipe for good.
    if (keep.is_open() || errno != ENXIO) {
      return Waited::Done;
    }
    if (signals.wait(kRetryInterval)) {
      return Waited::Stopped;
    }
  }
}

PcapngSection make_section(const XdpcapOptions& options, const std::vector<Action>& actions) {
  PcapngSection section;
  utsname machine{};
  if (::uname(&machine) == 0) {
    section.hardware = machine.machine;
    section.os = fmt::format("{} {} {}", machine.sysname, machine.release, machine.version);
  }
  section.application = "xdpcap " XDPCAP_VERSION;
  section.linktype = options.link_type.linktype;
  section.snaplen_bytes = options.snaplen_bytes;
  for (const Action action : actions) {
    section.interfaces.push_back(
        {.name = fmt::format("{}:{}", base_name(options.hook_path), name(action)),
         .description = fmt::format("XDP action {} ({}), hook {}", short_name(action),
                                    index(action), options.hook_path),
         .filter = options.filter});
  }
  return section;
}

}  // namespace xdpcap
