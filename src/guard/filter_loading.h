// SPDX-License-Identifier: BSD-3-Clause
//
// Another filter, compiled and loaded beside what a guardian has to do meanwhile.
//
// A filter of some hundred thousand instructions takes the compiler a minute.  The capture may die in that minute, or be told to leave,
// and then leaves the hook at once: the thread that compiles is left to the end of the process.
//
// Tested by: tests/kernel/attacks/taken_over_test.cc.

#pragma once

#include <cbpfc/cbpf.h>

#include <memory>
#include <string>
#include <vector>

#include "attach/hook_capture.h"

namespace xdpcap {

class FilterLoading {
 public:
  /// Ownership: borrows `capture` until the process ends.
  explicit FilterLoading(const HookCapture& capture);
  FilterLoading(const FilterLoading&) = delete;
  FilterLoading& operator=(const FilterLoading&) = delete;
  ~FilterLoading();

  /// Readable when take() has something; -1: the kernel had no descriptor for it.
  int fd() const { return is_loaded_.get(); }

  /// Loads programs for this filter; `text` comes back from take().  What is loaded already is taken first; a filter that comes meanwhile
  /// is the next one, in the place of another that waits.
  void start(std::vector<cbpfc::RawInsn> program, std::string text);

  struct Loaded {
    Result<HookCapture::Programs> programs;
    std::string text;
  };
  /// Errors of `programs`: those of compiling and loading them; Kernel when there can be no thread.
  Loaded take();

 private:
  struct Work;
  static void* run(void* work);
  void begin(std::unique_ptr<Work> work);

  const HookCapture& capture_;
  UniqueFd is_loaded_;
  std::shared_ptr<Work> running_;  ///< shared with the thread
  std::unique_ptr<Work> next_;
};

}  // namespace xdpcap
