// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/capture.h"

#include <fmt/core.h>
#include <pcap/pcap.h>

#include <charconv>
#include <ctime>
#include <fstream>
#include <memory>
#include <regex>

namespace xdpcap::test {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr int kEthernetLink = 1;

using PcapHandle = std::unique_ptr<pcap_t, void (*)(pcap_t*)>;

PcapHandle open_pcap(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  PcapHandle pcap(pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO,
                                                          error.data()),
                  pcap_close);
  EXPECT_NE(pcap, nullptr) << path << ": " << error.data();
  return pcap;
}

// Bytes, lengths and times.
std::vector<Captured> read_with_libpcap(const std::string& path) {
  std::vector<Captured> packets;
  const PcapHandle pcap = open_pcap(path);
  if (pcap == nullptr) {
    return packets;
  }
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int result = 0;
  while ((result = pcap_next_ex(pcap.get(), &header, &bytes)) == 1) {
    Captured packet;
    packet.bytes.assign(bytes, bytes + header->caplen);
    packet.wire_length_bytes = header->len;
    packet.time_ns = static_cast<std::uint64_t>(header->ts.tv_sec) * kSecondNs +
                     static_cast<std::uint64_t>(header->ts.tv_usec);
    packets.push_back(std::move(packet));
  }
  EXPECT_EQ(result, PCAP_ERROR_BREAK) << path << ": " << pcap_geterr(pcap.get());
  return packets;
}

std::string without_line(std::string text, std::string_view start) {
  if (text.starts_with(start)) {
    text.erase(0, text.find('\n') + 1);
  }
  return text;
}

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  EXPECT_TRUE(error == std::errc() && end == text.data() + text.size()) << '"' << text << '"';
  return value;
}

}  // namespace

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t end = text.find(separator); end != std::string::npos;
       end = text.find(separator, start)) {
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::uint64_t wall_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::vector<std::string> xdpcap_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {XDPCAP_COMMAND};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::string detach(const std::vector<std::string>& words, int exit_code) {
  std::vector<std::string> arguments = {"-detach"};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const Outcome outcome = run(xdpcap_command(arguments));
  EXPECT_EQ(outcome.end.exit_code, exit_code) << outcome.errors;
  EXPECT_EQ(outcome.output, "");
  return outcome.errors;
}

Capture::Capture(int hook_fd, const std::vector<std::string>& arguments, std::size_t slots,
                 const Streams& streams)
    : hook_fd_(hook_fd), process_(xdpcap_command(arguments), streams) {
  const bool has_started =
      becomes_true([&] { return filled_slots(hook_fd) >= slots || !process_.is_running(); });
  EXPECT_TRUE(has_started && process_.is_running()) << process_.errors();
  note_bpf_objects(process_.pid());
}

void Capture::stop(int signal) {
  process_.signal(signal);
  const Ended end = wait(Millis(5'000));
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 0) << process_.errors();
}

Ended Capture::wait(Millis most) {
  const Ended end = process_.wait(most);
  EXPECT_EQ(filled_slots(hook_fd_), 0U);
  return end;
}

std::string Capture::last_line() const {
  const std::vector<std::string> lines = split(process_.errors(), '\n');
  return lines.size() < 2 ? "" : lines[lines.size() - 2];
}

std::uint64_t count_with_tcpdump(const std::string& path) {
  const Outcome tcpdump = run({"tcpdump", "--count", "-nn", "-r", path});
  EXPECT_EQ(tcpdump.end.exit_code, 0) << path;
  const std::string complaints = without_line(tcpdump.errors, "reading from file ");
  EXPECT_EQ(complaints, "") << path;
  return number(tcpdump.output.substr(0, tcpdump.output.find(' ')));
}

std::vector<std::string> fields_with_tshark(const std::string& path,
                                            const std::vector<std::string>& fields) {
  std::vector<std::string> command = {"tshark", "-n",     "-r", path,
                                      "-T",     "fields", "-E", "separator=|"};
  for (const std::string& field : fields) {
    command.insert(command.end(), {"-e", field});
  }
  const Outcome tshark = run(command);
  EXPECT_EQ(tshark.end.exit_code, 0) << path;
  EXPECT_EQ(without_line(tshark.errors, "Running as user"), "") << path;
  std::vector<std::string> lines = split(tshark.output, '\n');
  lines.pop_back();
  return lines;
}

std::vector<Captured> read_capture(const std::string& path) {
  std::vector<Captured> packets = read_with_libpcap(path);
  EXPECT_EQ(count_with_tcpdump(path), packets.size());
  const std::vector<std::string> lines =
      fields_with_tshark(path, {"frame.interface_name", "frame.verdict.ebpf_xdp",
                                "frame.interface_queue", "frame.packet_flags_direction",
                                "frame.comment", "frame.len", "frame.cap_len", "frame.time_epoch"});
  EXPECT_EQ(lines.size(), packets.size());
  for (std::size_t i = 0; i < packets.size() && i < lines.size(); ++i) {
    const std::vector<std::string> words = split(lines[i], '|');
    if (words.size() != 8) {
      ADD_FAILURE() << lines[i];
      continue;
    }
    Captured& packet = packets[i];
    packet.interface = words[0];
    packet.verdict = words[1];
    packet.queue = words[2];
    packet.direction = words[3];
    packet.comment = words[4];
    EXPECT_EQ(words[5], std::to_string(packet.wire_length_bytes));
    EXPECT_EQ(words[6], std::to_string(packet.bytes.size()));
    EXPECT_EQ(words[7],
              fmt::format("{}.{:09}", packet.time_ns / kSecondNs, packet.time_ns % kSecondNs));
  }
  return packets;
}

std::vector<Bytes> packets_in(const std::string& path) {
  std::vector<Bytes> packets;
  for (Captured& packet : read_with_libpcap(path)) {
    packets.push_back(std::move(packet.bytes));
  }
  return packets;
}

void write_pcap(const std::string& path, const std::vector<Bytes>& frames) {
  const PcapHandle pcap(pcap_open_dead(kEthernetLink, 65535), pcap_close);
  pcap_dumper_t* dumper = pcap_dump_open(pcap.get(), path.c_str());
  for (const Bytes& frame : frames) {
    pcap_pkthdr header{};
    header.caplen = header.len = static_cast<std::uint32_t>(frame.size());
    pcap_dump(reinterpret_cast<u_char*>(dumper), &header, frame.data());
  }
  pcap_dump_close(dumper);
}

std::vector<FileStatistics> statistics_in(const std::string& path) {
  const std::string prefix = "pcapng.options.option.data.interface.";
  std::vector<std::string> command = {"tshark", "-X", "read_format:MIME Files Format",
                                      "-r",     path, "-T",
                                      "fields", "-E", "separator=|"};
  for (const char* field :
       {"received", "accepted_by_filter", "dropped_by_os", "delivered_to_user"}) {
    command.insert(command.end(), {"-e", prefix + field});
  }
  const Outcome tshark = run(command);
  EXPECT_EQ(tshark.end.exit_code, 0) << tshark.errors;
  const std::vector<std::string> columns = split(split(tshark.output, '\n')[0], '|');
  std::vector<FileStatistics> blocks;
  if (columns.size() != 4) {
    ADD_FAILURE() << tshark.output;
    return blocks;
  }
  std::vector<std::vector<std::string>> cells;
  for (const std::string& column : columns) {
    cells.push_back(split(column, ','));
    EXPECT_EQ(cells.back().size(), cells.front().size()) << tshark.output;
  }
  for (std::size_t i = 0; i < cells.front().size(); ++i) {
    blocks.push_back({.received = number(cells[0][i]),
                      .accepted = number(cells[1][i]),
                      .dropped = number(cells[2][i]),
                      .delivered = number(cells[3][i])});
  }
  return blocks;
}

std::vector<FileStatistics> statistics_in_large(const std::string& path) {
  // A block begins with its type and its length, and ends with its length.
  constexpr std::uint32_t kPacketBlock = 6;
  std::ifstream file(path, std::ios::binary);
  const auto number_at = [&file](std::streamoff at) {
    std::uint32_t value = 0;
    file.seekg(at);
    file.read(reinterpret_cast<char*>(&value), sizeof(value));
    return value;
  };
  std::streamoff start_bytes = 0;
  while (file && number_at(start_bytes) != kPacketBlock) {
    start_bytes += number_at(start_bytes + 4);
  }
  file.seekg(0, std::ios::end);
  const std::streamoff end = file.tellg();
  std::streamoff rest = end;
  while (file && rest > start_bytes) {
    const std::streamoff block = rest - number_at(rest - 4);
    if (number_at(block) == kPacketBlock) {
      break;
    }
    rest = block;
  }
  const auto bytes_at = [&file](std::streamoff at, std::streamoff count) {
    std::string bytes(static_cast<std::size_t>(count), '\0');
    file.seekg(at);
    file.read(bytes.data(), count);
    return bytes;
  };
  const std::string shorter = path + ".short";
  std::ofstream(shorter, std::ios::binary)
      << bytes_at(0, start_bytes) << bytes_at(rest, end - rest);
  EXPECT_TRUE(file) << path;
  return statistics_in(shorter);
}

void PrintTo(const FileStatistics& statistics, std::ostream* stream) {
  *stream << fmt::format("{} received, {} accepted, {} dropped, {} delivered", statistics.received,
                         statistics.accepted, statistics.dropped, statistics.delivered);
}

Totals parse_totals(const std::string& line) {
  static const std::regex kForm(
      "([0-9]+) packets received, ([0-9]+) matched, (?:([0-9]+) held back, )?"
      "(?:([0-9]+) overwritten, )?([0-9]+) written, ([0-9]+) lost(?:, ([0-9]+) not written)?");
  std::smatch match;
  if (!std::regex_match(line, match, kForm)) {
    ADD_FAILURE() << "not a line of totals: \"" << line << '"';
    return {};
  }
  return {.received = number(match[1]),
          .matched = number(match[2]),
          .held_back = match[3].matched ? number(match[3]) : 0,
          .overwritten = match[4].matched ? number(match[4]) : 0,
          .written = number(match[5]),
          .lost = number(match[6]),
          .unwritten = match[7].matched ? number(match[7]) : 0};
}

void expect_balance(const Totals& totals) {
  EXPECT_LE(totals.matched, totals.received);
  EXPECT_EQ(totals.matched, totals.held_back + totals.overwritten + totals.written + totals.lost +
                                totals.unwritten);
}

}  // namespace xdpcap::test
