// SPDX-License-Identifier: BSD-3-Clause
//
// A running xdpcap, and its file as the tools of others read it.

#pragma once

#include <csignal>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/frames.h"
#include "xdpcap/tests/kernel/end_to_end/process.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {

/// `xdpcap` with these arguments.
std::vector<std::string> xdpcap_command(const std::vector<std::string>& arguments);

/// xdpcap -detach; what it says, which ends with a newline.
std::string detach(const std::vector<std::string>& words, int exit_code = 0);

/// xdpcap on a hook; it has entered all slots it will when the constructor returns.
class Capture {
 public:
  /// `arguments` follow the program's name.  Waits until `slots` of the hook are filled.
  Capture(int hook_fd, const std::vector<std::string>& arguments, std::size_t slots = 5,
          const Streams& streams = {});

  Process& process() { return process_; }
  /// Expects an exit code of 0 and empty slots.
  void stop(int signal = SIGINT);
  /// Waits until it ends on its own, `most` at most; expects empty slots.
  Ended wait(Millis most);
  /// The last line of standard error, without its end.
  std::string last_line() const;

 private:
  int hook_fd_;
  Process process_;
};

/// One packet of a file, as tshark (the words) and libpcap (bytes, lengths, time) have it.
struct Captured {
  Bytes bytes;
  std::uint32_t wire_length_bytes = 0;
  std::uint64_t time_ns = 0;
  std::string interface;
  std::string verdict;
  std::string queue;
  std::string direction;
  std::string comment;
};

/// Reads a file with libpcap, tcpdump and tshark: expects that they agree, and that none complains.
std::vector<Captured> read_capture(const std::string& path);

/// Bytes of the packets of a file, as libpcap reads them.
std::vector<Bytes> packets_in(const std::string& path);

/// Writes frames to a pcap file.
void write_pcap(const std::string& path, const std::vector<Bytes>& frames);

/// Expects that tcpdump reads a file without a complaint; the packets in it.
std::uint64_t count_with_tcpdump(const std::string& path);
/// Expects that tshark reads a file without a complaint; what it prints for `fields`, by line.
std::vector<std::string> fields_with_tshark(const std::string& path,
                                            const std::vector<std::string>& fields);

/// An interface statistics block.
struct FileStatistics {
  std::uint64_t received = 0;
  std::uint64_t accepted = 0;
  std::uint64_t dropped = 0;
  std::uint64_t delivered = 0;
  bool operator==(const FileStatistics&) const = default;
};
void PrintTo(const FileStatistics& statistics, std::ostream* stream);
/// Those of a file in their order, as tshark reads them.
std::vector<FileStatistics> statistics_in(const std::string& path);
/// The same for a file of any size: tshark gets its start and its end only.
std::vector<FileStatistics> statistics_in_large(const std::string& path);

/// The numbers of the line that ends a capture.
struct Totals {
  std::uint64_t received = 0;
  std::uint64_t matched = 0;
  std::uint64_t held_back = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t written = 0;
  std::uint64_t lost = 0;
  std::uint64_t unwritten = 0;
};
/// Expects that `line` is such a line and nothing else.
Totals parse_totals(const std::string& line);
/// Expects that the numbers of a capture that has ended add up.
void expect_balance(const Totals& totals);

std::vector<std::string> split(const std::string& text, char separator);

/// Nanoseconds since 1970.
std::uint64_t wall_clock_ns();

}  // namespace xdpcap::test
