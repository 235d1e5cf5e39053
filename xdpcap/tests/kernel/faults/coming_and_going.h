// SPDX-License-Identifier: BSD-3-Clause
//
// Captures of all kinds that start, end and are killed at random.
//
//     ComingAndGoing crowd(stage, traffic, {.most = 7, .seed = 5});
//     while (...) { crowd.step(); }
//     crowd.end();                       // all that still run
//
// Of each that ends on its own terms the accounting is checked, and that it received what was sent while it was there: at
// least what was sent between its having entered and its being told to end, at most what was sent while it lived.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {

struct CrowdOptions {
  std::size_t most = 7;  ///< captures at a time
  std::uint32_t seed = 1;
};

struct CrowdFigures {
  std::uint64_t started = 0;
  std::uint64_t stopped = 0;
  std::uint64_t killed = 0;
  std::uint64_t killed_with_guardian = 0;
  std::size_t most = 0;  ///< at a time
};

class ComingAndGoing {
 public:
  /// Ownership: borrows both.
  ComingAndGoing(const Stage& stage, const Traffic& traffic, const CrowdOptions& options)
      : stage_(stage), traffic_(traffic), options_(options), random_(options.seed) {}

  /// One starts, or one ends.
  void step();
  /// All end.
  void end();
  const CrowdFigures& figures() const { return figures_; }

 private:
  struct One {
    std::unique_ptr<SharedCapture> capture;
    std::vector<std::uint32_t> actions;
    std::string file;  ///< empty: only counts
    Tally before;      ///< its start
    Tally entered;
  };

  std::uint32_t choose(std::uint32_t below) {
    return static_cast<std::uint32_t>(random_() % below);
  }
  void start();
  void stop(One& one);
  void kill(One& one, bool with_guardian);
  One take();

  const Stage& stage_;
  const Traffic& traffic_;
  CrowdOptions options_;
  std::mt19937 random_;
  std::vector<One> there_;
  CrowdFigures figures_;
};

}  // namespace xdpcap::test
