// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/clang.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "xdpcap/kernel/program.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;

constexpr int kNewestVersion = 22;
constexpr int kOldestVersion = 14;
/// A filter that takes clang longer is reported as one it could not compile.
constexpr int kPatienceSeconds = 60;

/// A directory that goes with all in it.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> create() {
    std::string path = (std::filesystem::temp_directory_path() / "compiler_bench.XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      return cbpfc::fail(
          Errc::Io, fmt::format("create a directory {}: {}", path, std::strerror(errno)), errno);
    }
    return TemporaryDirectory(path);
  }
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    if (!path_.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(path_, ignored);
    }
  }
  std::string file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// What a shell command prints; nullopt if it fails.
std::optional<std::string> output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) {
    return std::nullopt;
  }
  std::string output;
  std::array<char, 4096> buffer = {};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), size);
  }
  return ::pclose(pipe) == 0 ? std::optional(output) : std::nullopt;
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The programs of an object file.  No relocation is left to do: they call and refer to nothing.
Result<std::vector<Clang::Function>> read_object(const std::string& path) {
  xdpcap::silence_libbpf();
  const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(
      bpf_object__open_file(path.c_str(), nullptr), bpf_object__close);
  if (!object) {
    return cbpfc::fail(Errc::Io,
                       fmt::format("read clang's object file {}: {}", path, std::strerror(errno)),
                       errno);
  }
  std::vector<Clang::Function> functions;
  bpf_program* program = nullptr;
  while ((program = bpf_object__next_program(object.get(), program)) != nullptr) {
    // cbpfc::ebpf::Insn has the layout of struct bpf_insn, whose registers are bit fields.
    const auto* insns = reinterpret_cast<const cbpfc::ebpf::Insn*>(bpf_program__insns(program));
    functions.push_back({.name = bpf_program__name(program),
                         .insns = Program(insns, insns + bpf_program__insn_cnt(program))});
  }
  return functions;
}

}  // namespace

Result<Clang> Clang::find(const std::string& command) {
  std::vector<std::string> candidates;
  if (!command.empty()) {
    candidates.push_back(command);
  } else {
    for (int version = kNewestVersion; version >= kOldestVersion; --version) {
      candidates.push_back(fmt::format("clang-{}", version));
    }
    candidates.emplace_back("clang");
  }
  for (const std::string& candidate : candidates) {
    const auto version = output_of(fmt::format("'{}' --version 2>/dev/null", candidate));
    if (version) {
      return Clang(candidate,
                   fmt::format("{}, {}", candidate, version->substr(0, version->find('\n'))));
    }
  }
  return cbpfc::fail(
      Errc::NotFound,
      command.empty()
          ? "find clang: neither clang-22 to clang-14 nor clang is there; install clang-19"
          : fmt::format("run {}: there is no such command", command));
}

Result<std::vector<Clang::Function>> Clang::compile(std::string_view source) const {
  const TemporaryDirectory directory = TRY(TemporaryDirectory::create());
  const std::string source_path = directory.file("filter.c");
  const std::string object_path = directory.file("filter.o");
  const std::string words_path = directory.file("words");
  std::ofstream file(source_path);
  file << source;
  file.close();
  if (!file) {
    return cbpfc::fail(Errc::Io, fmt::format("write {}: {}", source_path, std::strerror(errno)),
                       errno);
  }
  const auto done = output_of(fmt::format(
      "timeout {} '{}' -target bpf -mcpu=v3 -O2 -fno-strict-aliasing -nostdinc -c {} -o {} >{} 2>&1",
      kPatienceSeconds, command_, source_path, object_path, words_path));
  if (!done) {
    const std::string words = contents(words_path);
    return cbpfc::fail(Errc::InvalidProgram,
                       words.empty()
                           ? fmt::format("{} took longer than {} s", command_, kPatienceSeconds)
                           : fmt::format("{}: {}", command_, words.substr(0, words.find('\n'))),
                       0, words);
  }
  return read_object(object_path);
}

}  // namespace bench
