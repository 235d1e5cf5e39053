// SPDX-License-Identifier: BSD-3-Clause
//
// Program arrays that are not hooks: nothing is put into them, unless it is asked for.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xdpcap/kernel/map.h>

#include <memory>

#include "base/testing/json.h"
#include "xdpcap/tests/kernel/array_program.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ProgramArrays : public testing::Test {
 protected:
  static void SetUpTestSuite() { require_root(); }
  std::string pin(const ArrayProgram& program, const std::string& name) {
    return pins_.pin(program.array_fd(), name);
  }
  std::string file() const { return files_.file("out.pcapng"); }

 private:
  BpfDirectory pins_;
  WorkDirectory files_;
};

ArrayProgram load(const std::string& program, const std::string& object = "program_arrays_O2") {
  return {fmt::format("{}/{}.o", XDPCAP_TEST_PROGRAMS_DIR, object), program};
}

std::uint32_t verdict_of(const ArrayProgram& program) {
  return test_run(program.program_fd(), make_packet(64)).action;
}

/// What the other end of a table is for: a plug-in that drops.
constexpr const char* kTables[] = {"table_plugin", "table_protocols", "table_both_ways",
                                   "table_in_subprogram", "counts_afterwards"};

TEST_F(ProgramArrays, TablesAreNotEntered) {
  for (const char* object : {"program_arrays_O2", "program_arrays_of_32"}) {
    for (const char* name : kTables) {
      SCOPED_TRACE(fmt::format("{} {}", object, name));
      const ArrayProgram table = load(name, object);
      const std::uint32_t before = verdict_of(table);
      const std::string path = pin(table, fmt::format("{}_{}", object, name));
      for (const std::vector<std::string>& words :
           {std::vector<std::string>{path, file()}, {"-count", path}, {"-wait", path, file()}}) {
        const Outcome outcome = run(xdpcap_command(words));
        EXPECT_EQ(outcome.end.exit_code, 1);
        EXPECT_THAT(outcome.errors,
                    AllOf(HasSubstr("hook " + path + ": this program array is not "),
                          HasSubstr("if the slot is empty")));
        EXPECT_FALSE(std::filesystem::exists(file()));
      }
      EXPECT_EQ(filled_slots(table.array_fd()), 0U);
      EXPECT_EQ(verdict_of(table), before);
    }
  }
}

TEST_F(ProgramArrays, DiagnoseDoesNotEnterThem) {
  const ArrayProgram table = load("table_plugin");
  const std::string path = pin(table, "plugins");
  const Outcome outcome = run(xdpcap_command({"-diagnose", path}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_EQ(outcome.errors, "");
  EXPECT_THAT(
      outcome.output,
      AllOf(HasSubstr("no  the program array is a hook: program "),
            HasSubstr(
                "tail-calls slot 1, and returns 2 if the slot is empty\n      a capture would "),
            Not(HasSubstr("name that begins")), Not(HasSubstr("packets reach the hook"))));
}

TEST_F(ProgramArrays, DiagnoseSaysThatItEntersAHookAndCanDoWithout) {
  const ArrayProgram hook = load("hook_constant");
  const std::string path = pin(hook, "exits");
  const Outcome entered = run(xdpcap_command({"-diagnose", path}));
  EXPECT_THAT(entered.errors, HasSubstr("entering hook " + path + " for 3 s to count packets"));
  const Outcome passive = run(xdpcap_command({"-diagnose", "-passive", path}));
  EXPECT_EQ(passive.errors, "");
  EXPECT_THAT(passive.output, AllOf(HasSubstr("ok  the program array is a hook: program "),
                                    Not(HasSubstr("packets reach the hook"))));
}

TEST_F(ProgramArrays, AHookOfAnyNameIsKnownByItsInstructions) {
  for (const char* object : {"program_arrays_O1", "program_arrays_O2", "program_arrays_Os"}) {
    for (const char* name : {"hook_constant", "hook_many_exits", "hook_subprogram_map"}) {
      SCOPED_TRACE(fmt::format("{} {}", object, name));
      const ArrayProgram hook = load(name, object);
      const std::string path = pin(hook, fmt::format("{}_{}", object, name));
      const std::uint32_t before = verdict_of(hook);
      Capture capture(hook.array_fd(), {path, file()});
      EXPECT_EQ(verdict_of(hook), before);
      capture.stop();
      EXPECT_EQ(packets_in(file()).size(), 1U);
    }
  }
}

TEST_F(ProgramArrays, ForceEntersAllTheSame) {
  const ArrayProgram table = load("table_plugin");
  const std::string path = pin(table, "plugins");
  Capture capture(table.array_fd(), {"-force", path, file()});
  constexpr std::uint32_t kDropped = 1;  // what the refusal is for
  EXPECT_EQ(verdict_of(table), kDropped);
  capture.stop();
  EXPECT_EQ(verdict_of(table), 2U);
}

/// The lines of a hook in what -list prints, which may have hooks of others, too.
std::string block_of(const std::string& list, const std::string& title) {
  const std::size_t start = list.find(title + "\n");
  return start == std::string::npos ? "not there: " + title + " in " + list
                                    : list.substr(start, list.find("\n\n", start) - start);
}

TEST_F(ProgramArrays, AreListedWithoutAdvice) {
  const ArrayProgram table = load("table_plugin");
  const ArrayProgram pinned = load("table_protocols");
  const std::string path = pin(pinned, "protocols");
  const Outcome outcome = run(xdpcap_command({"-list"}));
  const std::string unpinned = fmt::format("map {}, not pinned", map_info(table.array_fd())->id);
  for (const std::string& title : {unpinned, path}) {
    EXPECT_THAT(block_of(outcome.output, title + ": program array, not a hook"),
                AllOf(HasSubstr("\n  because   program "), Not(HasSubstr("to do"))));
  }
  const Outcome json = run(xdpcap_command({"-status", "-json", path}));
  EXPECT_THAT(json.output, HasSubstr(R"("is_hook":false,"is_hook_because":"program )"));
}

}  // namespace
}  // namespace xdpcap::test
