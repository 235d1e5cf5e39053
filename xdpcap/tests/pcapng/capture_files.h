// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of this folder share: a section to write, and independent readers for what was
// written.

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/testing/temporary_directory.h"
#include "xdpcap/pcapng/pcapng_writer.h"

namespace xdpcap::test {

/// A section with interfaces named "if0", "if1" ...
PcapngSection make_section(std::size_t interfaces);

/// Bytes that differ from packet to packet and from place to place.
std::vector<std::uint8_t> make_bytes(std::size_t size, std::uint32_t seed);

struct ReadResult {
  std::uint64_t packets = 0;
  std::string error;  ///< empty: the reader reached the end without a complaint
};

/// Reads a whole capture with libpcap.
ReadResult read_with_libpcap(std::span<const std::uint8_t> file);

/// One block of a file, found by its lengths.
struct BlockView {
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::span<const std::uint8_t> bytes;
};

/// The blocks of `file`; fails the test where the lengths do not fit together.
std::vector<BlockView> walk_blocks(std::span<const std::uint8_t> file);

/// Packet blocks a file has of each interface.
std::map<std::uint32_t, std::uint64_t> packets_by_interface(std::span<const std::uint8_t> file);

struct CommandResult {
  int exit_code = -1;
  std::string output;
  std::string complaints;  ///< standard error, without what the tools say to everybody
};

/// Runs `command` in a shell.
CommandResult run(const std::string& command);

/// Reads `path` with tshark, capinfos and tcpdump; fails the test if one complains.
void expect_tools_read(const std::string& path);

std::vector<std::uint8_t> read_file(const std::string& path);
void write_file(const std::string& path, std::span<const std::uint8_t> bytes);

}  // namespace xdpcap::test
