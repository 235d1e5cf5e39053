// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap does and checks before a capture program enters the hook.
//
// All of it comes before anything is attached, because a target should not notice a capture that
// cannot run.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/result.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/safe_path.h"
#include "base/unique_fd.h"
#include "cbpfc/input/filter_file.h"
#include "xdpcap/capture/flight_recorder.h"
#include "xdpcap/capture/recorder_output.h"
#include "xdpcap/command/ingress.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/hook/hook.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/privilege/user.h"
#include "xdpcap/statistics/statistics_file.h"

namespace xdpcap {

/// The files that a running capture reads and replaces, in directories that it holds from the start.
struct CaptureFiles {
  std::shared_ptr<const FilterFile> filter;          ///< of -F; null: none
  std::shared_ptr<const StatisticsFile> statistics;  ///< of -stats-prometheus; null: none
};

/// Finds them, with all privileges that there are.  `user` is that of -Z.
/// Errors: those of FilterFile::find() and StatisticsFile::find(), naming the option.
Result<CaptureFiles> find_files(const XdpcapOptions& options, const std::optional<User>& user);

/// A filter: a program in one of tcpdump's forms, or an expression.
struct GivenFilter {
  std::string text;  ///< without comments
  cbpfc::Filter filter;
};

/// The filter as given, or read from the file of -F: waits for what that is.
/// Errors: Syntax with the place; InvalidProgram; those of FilterFile::read().  What a file says is not quoted: xdpcap
/// may read files that whoever reads its messages may not.
Result<GivenFilter> given_filter(const XdpcapOptions& options, const CaptureFiles& files);

/// The one that is in the file now.
/// Errors: those of FilterFile::read_again(), and as above.
Result<GivenFilter> filter_again(const FilterFile& file, const cbpfc::LinkType& link_type);

/// The actions to capture: those asked for, or all the hook has slots for.
std::vector<Action> choose_actions(const Hook& hook, const XdpcapOptions& options);

/// A warning that names the actions `hook` has no slot for; empty if there is nothing to warn
/// about.
std::string missing_slots_warning(const Hook& hook);

enum class Waited { Done, Stopped };

/// Waits until the hook has an owner, or a signal says stop.
Result<Waited> await_owner(const Hook& hook, const cli::StopSignals& signals);

/// Those whose links and files are taken, with the user of -Z.
TrustedUsers trusted_users(const std::optional<User>& user);

/// If `path` is a named pipe, waits for a reader, so that opening it does not wait in a place where
/// no signal is seen.  `keep` holds the pipe until it has been opened for good.
Waited await_reader(const std::string& path, const TrustedUsers& trusted,
                    const cli::StopSignals& signals, UniqueFd& keep);

/// The section header and interfaces of the file.
PcapngSection make_section(const XdpcapOptions& options, const std::vector<Action>& actions,
                           const std::vector<IngressInterface>& ingress);

// Whether xdpcap has an answer to all that a filter asks beside the packet's bytes.

/// Refuses a filter with a load that capture programs cannot answer.  `expression`: what it was compiled from; empty for a program.
/// Errors: Errc::Unsupported, with the load or the keyword and the reason.
cbpfc::Result<void> check_loads(const cbpfc::Filter& filter, const cbpfc::LinkType& link_type,
                                std::string_view expression);

// The flight recorder as the command line asks for it: -ring and -trigger.

/// Takes the memory that -ring asks for; nullopt without it.
/// Errors: those of FlightRecorder::allocate().
Result<std::optional<FlightRecorder>> allocate_recorder(const XdpcapOptions& options);

/// Refuses triggers of actions that are not captured, and so not counted.
/// Errors: Errc::InvalidArgument naming the first.
Result<void> check_triggers(const XdpcapOptions& options, const std::vector<Action>& actions);

/// What the loop needs to know; says on standard error what was written, unless that is to be quiet.
/// Ownership: the result borrows all.
RecorderOptions recorder_options(FlightRecorder& memory, const XdpcapOptions& options,
                                 PcapngSection section, const cli::RequestSignals& dump_signal);

}  // namespace xdpcap
