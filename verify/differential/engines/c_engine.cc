// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/engines/c_engine.h"

#include <bpf/libbpf.h>
#include <cbpfc/compile_c.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/testing/die.h"

namespace differential {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kReadable = 16 * kPage;  ///< for a packet of 64 KiB

using xdpcap::test::die;

std::string function_text(const cbpfc::Filter& filter, std::size_t number, bool optimize) {
  auto text = cbpfc::compile_c(
      filter, {.function_name = fmt::format("filter_{}", number), .optimize = optimize});
  if (!text) {
    // The C compiler says so, with these words.
    return fmt::format("#error filter_{}: {}\n", number, text.error().message);
  }
  return *std::move(text);
}

/// The last lines of a verifier's log, which has the reason.
std::string tail(const std::string& log) {
  constexpr std::size_t kMost = 1500;
  return log.size() <= kMost ? log : log.substr(log.size() - kMost);
}

std::string program_name(std::size_t number) {
  return fmt::format("xdp_{}", number);
}

/// Opens an object whose programs run behind a runner, `only` that one or all of them.
bpf_object* open_object(const std::string& path, std::string_view only) {
  bpf_object* object = bpf_object__open_file(path.c_str(), nullptr);
  if (object == nullptr) {
    die(("open " + path).c_str());
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    // A program array takes programs of one attach type only, and the runner has none.
    bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(0));
    bpf_program__set_autoload(program, only.empty() || only == bpf_program__name(program));
  }
  return object;
}

/// What the verifier says of one program; empty when it takes it.
std::string verdict(const std::string& path, const std::string& name) {
  bpf_object* object = open_object(path, name);
  std::vector<char> log(1U << 24);
  bpf_program__set_log_buf(bpf_object__find_program_by_name(object, name.c_str()), log.data(),
                           log.size());
  const int error = bpf_object__load(object);
  bpf_object__close(object);
  return error == 0 ? std::string()
                    : fmt::format("{}: error {}: {}", name, error, tail(log.data()));
}

}  // namespace

WorkDirectory::WorkDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "differential_c.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    die("mkdtemp");
  }
  path_ = name;
}

WorkDirectory::~WorkDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string c_file_for_host(std::span<const cbpfc::Filter> filters, bool optimize) {
  std::string text = "#include <stdint.h>\n";
  for (std::size_t i = 0; i < filters.size(); ++i) {
    text += function_text(filters[i], i, optimize);
    text += fmt::format(
        "uint32_t call_{0}(const uint8_t *data, const uint8_t *data_end);\n"
        "uint32_t call_{0}(const uint8_t *data, const uint8_t *data_end)\n"
        "{{\n  return filter_{0}(data, data_end);\n}}\n",
        i);
  }
  return text;
}

std::string c_file_for_bpf(std::span<const cbpfc::Filter> filters, bool optimize) {
  // struct xdp_md has the packet's ends first; what is behind them does not matter here.
  std::string text =
      "typedef unsigned char uint8_t;\ntypedef unsigned short uint16_t;\n"
      "typedef unsigned int uint32_t;\ntypedef unsigned long long uint64_t;\n"
      "struct xdp_md { uint32_t data; uint32_t data_end; };\n";
  for (std::size_t i = 0; i < filters.size(); ++i) {
    text += function_text(filters[i], i, optimize);
    text += fmt::format(
        "__attribute__((section(\"xdp\"), used)) int {0}(struct xdp_md *ctx);\n"
        "int {0}(struct xdp_md *ctx)\n"
        "{{\n"
        "  const uint8_t *data = (const uint8_t *)(uint64_t)ctx->data;\n"
        "  const uint8_t *data_end = (const uint8_t *)(uint64_t)ctx->data_end;\n"
        "  return (int)filter_{1}(data, data_end);\n"
        "}}\n",
        program_name(i), i);
  }
  return text;
}

std::string run_compiler(const std::string& command, const std::string& source,
                         const std::string& output) {
  const std::string input = output + ".c";
  std::ofstream(input) << source;
  const std::string log = output + ".log";
  const std::string line = fmt::format("{} {} -o {} >{} 2>&1", command, input, output, log);
  const int status = std::system(line.c_str());
  std::ostringstream words;
  words << std::ifstream(log).rdbuf();
  if (status != 0 && words.view().empty()) {
    words << "exit status " << status;
  }
  if (words.view().empty()) {
    return {};
  }
  return fmt::format("{}: {}", line, words.str().substr(0, 3000));
}

HostFunctions::HostFunctions(const std::string& shared_object, std::size_t count) {
  void* memory = ::mmap(nullptr, kReadable + kPage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    die("mmap");
  }
  memory_ = static_cast<std::uint8_t*>(memory);
  if (::mprotect(memory_ + kReadable, kPage, PROT_NONE) != 0) {
    die("mprotect");
  }
  library_ = ::dlopen(shared_object.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    failure_ = ::dlerror();
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    void* function = ::dlsym(library_, fmt::format("call_{}", i).c_str());
    if (function == nullptr) {
      failure_ = ::dlerror();
      return;
    }
    functions_.push_back(reinterpret_cast<Function>(function));
  }
}

HostFunctions::~HostFunctions() {
  if (library_ != nullptr) {
    ::dlclose(library_);
  }
  ::munmap(memory_, kReadable + kPage);
}

std::uint32_t HostFunctions::run(std::size_t filter, std::span<const std::uint8_t> packet) const {
  std::uint8_t* end = memory_ + kReadable;
  std::ranges::copy(packet, end - packet.size());
  return functions_[filter](end - packet.size(), end);
}

BpfPrograms::BpfPrograms(const std::string& object, std::size_t count) {
  object_ = open_object(object, {});
  if (bpf_object__load(object_) == 0) {
    return;
  }
  // Which ones?  Those that are refused alone; the others are loaded without them.
  bpf_object__close(object_);
  object_ = open_object(object, {});
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = program_name(i);
    const std::string words = verdict(object, name);
    if (!words.empty()) {
      refusals_.push_back(words);
      bpf_program__set_autoload(bpf_object__find_program_by_name(object_, name.c_str()), false);
    }
  }
  if (bpf_object__load(object_) != 0) {
    refusals_.push_back(object + ": the programs that load alone do not load together");
  }
}

BpfPrograms::~BpfPrograms() {
  bpf_object__close(object_);
}

int BpfPrograms::fd(std::size_t filter) const {
  const bpf_program* program =
      bpf_object__find_program_by_name(object_, program_name(filter).c_str());
  return program == nullptr ? -1 : bpf_program__fd(program);
}

}  // namespace differential
