// SPDX-License-Identifier: BSD-3-Clause
//
// Filters as C functions, through a C compiler, on the host and in the kernel.
//
//     host    one shared object with a function per filter, opened with dlopen(); packets end at a page that
//             cannot be read, so that a byte too far is a crash
//     BPF     one object with an XDP program per filter, which returns the filter's value, loaded by libbpf;
//             it runs behind an XdpRunner
//
// One file for many filters: the compiler and the loader cost more than the filters do.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "verify/differential/engines/engines.h"

struct bpf_object;

namespace differential {

/// A directory for what compilers read and write; gone with its owner.
class WorkDirectory {
 public:
  WorkDirectory();
  ~WorkDirectory();
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// One C file with filter_0, filter_1 and so on, and a function for each that can be called from outside.
std::string c_file_for_host(std::span<const cbpfc::Filter> filters, bool optimize);
std::string c_file_for_bpf(std::span<const cbpfc::Filter> filters, bool optimize);

/// Runs `command` INPUT -o OUTPUT on `source`.  Returns the compiler's words, empty when it had none to say.
std::string run_compiler(const std::string& command, const std::string& source,
                         const std::string& output);

/// A shared object made from c_file_for_host().
class HostFunctions {
 public:
  HostFunctions(const std::string& shared_object, std::size_t count);
  ~HostFunctions();
  HostFunctions(const HostFunctions&) = delete;
  HostFunctions& operator=(const HostFunctions&) = delete;

  /// Why it could not be opened; empty when it was.
  const std::string& failure() const { return failure_; }
  std::uint32_t run(std::size_t filter, std::span<const std::uint8_t> packet) const;

 private:
  using Function = std::uint32_t (*)(const std::uint8_t*, const std::uint8_t*);
  void* library_ = nullptr;
  std::vector<Function> functions_;
  std::string failure_;
  std::uint8_t* memory_ = nullptr;  ///< pages that can be read, and one that cannot
};

/// An object made from c_file_for_bpf(), in the kernel.
class BpfPrograms {
 public:
  BpfPrograms(const std::string& object, std::size_t count);
  ~BpfPrograms();
  BpfPrograms(const BpfPrograms&) = delete;
  BpfPrograms& operator=(const BpfPrograms&) = delete;

  /// For each program that the verifier refused, its name and the end of its log.
  const std::vector<std::string>& refusals() const { return refusals_; }
  /// The program of a filter; -1 where there is none.
  int fd(std::size_t filter) const;

 private:
  bpf_object* object_ = nullptr;
  std::vector<std::string> refusals_;
};

}  // namespace differential
