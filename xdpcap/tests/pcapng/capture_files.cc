// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/pcapng/capture_files.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "xdpcap/pcapng/block.h"

namespace xdpcap::test {

PcapngSection make_section(std::size_t interfaces) {
  PcapngSection section;
  section.os = "Linux";
  section.application = "test";
  for (std::size_t i = 0; i < interfaces; ++i) {
    section.interfaces.push_back(
        {.name = fmt::format("if{}", i), .description = "an interface", .filter = "ip"});
  }
  return section;
}

std::vector<std::uint8_t> make_bytes(std::size_t size, std::uint32_t seed) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t state = seed * 2654435761U + 1;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

ReadResult read_with_libpcap(std::span<const std::uint8_t> file) {
  // fmemopen() takes no empty buffer, and only a writable one without a cast.
  std::vector<std::uint8_t> copy(file.begin(), file.end());
  std::FILE* stream =
      copy.empty() ? std::fopen("/dev/null", "rb") : ::fmemopen(copy.data(), copy.size(), "rb");
  ReadResult result;
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  pcap_t* reader =
      ::pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error.data());
  if (reader == nullptr) {
    std::fclose(stream);
    result.error = error.data();
    return result;
  }
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int status = 0;
  while ((status = ::pcap_next_ex(reader, &header, &data)) == 1) {
    ++result.packets;
  }
  if (status != PCAP_ERROR_BREAK) {
    result.error = ::pcap_geterr(reader);
  }
  ::pcap_close(reader);
  return result;
}

std::vector<BlockView> walk_blocks(std::span<const std::uint8_t> file) {
  std::vector<BlockView> blocks;
  std::size_t at = 0;
  while (at < file.size()) {
    const auto rest = file.subspan(at);
    const std::size_t length = rest.size() < 12 ? 0 : load_le32(rest.data() + 4);
    if (length < 12 || length % 4 != 0 || length > rest.size() ||
        load_le32(rest.data() + length - 4) != length) {
      ADD_FAILURE() << "no whole block at offset " << at;
      break;
    }
    blocks.push_back({.type = load_le32(rest.data()), .offset = at, .bytes = rest.first(length)});
    at += length;
  }
  return blocks;
}

std::map<std::uint32_t, std::uint64_t> packets_by_interface(std::span<const std::uint8_t> file) {
  std::map<std::uint32_t, std::uint64_t> packets;
  for (const BlockView& block : walk_blocks(file)) {
    if (BlockType{block.type} == BlockType::EnhancedPacket) {
      ++packets[load_le32(block.bytes.data() + 8)];
    }
  }
  return packets;
}

CommandResult run(const std::string& command) {
  const TemporaryDirectory directory;
  const std::string out = directory.path("out");
  const std::string err = directory.path("err");
  CommandResult result;
  const int status = std::system(fmt::format("({}) >{} 2>{}", command, out, err).c_str());
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  const auto output = read_file(out);
  result.output.assign(output.begin(), output.end());
  const auto errors = read_file(err);
  std::istringstream lines(std::string(errors.begin(), errors.end()));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("Running as user \"root\"") && !line.starts_with("reading from file ")) {
      result.complaints += line + "\n";
    }
  }
  return result;
}

void expect_tools_read(const std::string& path) {
  for (const std::string command : {"tshark -n -r ", "capinfos ", "tcpdump -nn -r "}) {
    const CommandResult result = run(command + path);
    EXPECT_EQ(result.exit_code, 0) << command << path;
    EXPECT_EQ(result.complaints, "") << command << path;
  }
}

std::vector<std::uint8_t> read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(stream.good()) << path;
}

}  // namespace xdpcap::test
