// SPDX-License-Identifier: BSD-3-Clause
//
// A program of xdpcap/tests/programs/program_arrays.bpf.c, which uses a program array as a hook, or not.

#pragma once

#include <memory>
#include <string>

struct bpf_object;

namespace xdpcap::test {

/// Loaded, and not attached to anything.  What fails aborts the test program.
class ArrayProgram {
 public:
  /// `object`: the path of the compiled object.  `array_fd`: a program array to use instead of the object's.
  ArrayProgram(const std::string& object, const std::string& program, int array_fd = -1);

  int program_fd() const { return program_fd_; }
  int array_fd() const { return array_fd_; }

 private:
  std::unique_ptr<bpf_object, void (*)(bpf_object*)> object_;
  int program_fd_ = -1;
  int array_fd_ = -1;
};

}  // namespace xdpcap::test
