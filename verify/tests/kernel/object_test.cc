// SPDX-License-Identifier: BSD-3-Clause
//
// Object files as their users link, load and run them: with `bpftool gen object`, from a C program
// that calls the filter.

#include "cbpfc/command/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>

#include "base/testing/temporary_directory.h"
#include "cbpfc/input/filter_text.h"
#include "verify/check/samples.h"
#include "verify/interpreter/interpret.h"
#include "verify/tests/subjects.h"
#include "xdpcap/kernel/test_run.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace command {
namespace {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using UniqueObject = std::unique_ptr<bpf_object, CloseObject>;

std::vector<std::string> filter_list() {
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  std::vector<std::string> expressions;
  for (std::string line; std::getline(file, line);) {
    if (const std::string expression = without_comments(line); !expression.empty()) {
      expressions.push_back(expression);
    }
  }
  return expressions;
}

class ObjectTest : public testing::Test {
 protected:
  void SetUp() override { xdpcap::test::require_root(); }

  void write(const std::string& name, const cbpfc::Result<std::vector<std::uint8_t>>& bytes) {
    ASSERT_TRUE(bytes) << bytes.error().message;
    std::ofstream file(directory_.path(name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes->data()),
               static_cast<std::streamsize>(bytes->size()));
  }

  /// Links the caller with filter.o and other.o, and loads all programs.
  UniqueObject link_and_load() {
    const std::string linked = directory_.path("linked.o");
    const std::string command = "PATH=$PATH:/usr/sbin bpftool gen object " + linked +
                                " " XDPCAP_TEST_PROGRAMS "/object_caller.o " +
                                directory_.path("filter.o") + " " + directory_.path("other.o");
    EXPECT_EQ(std::system(command.c_str()), 0);
    UniqueObject object(bpf_object__open_file(linked.c_str(), nullptr));
    EXPECT_NE(object, nullptr);
    EXPECT_EQ(bpf_object__load(object.get()), 0);
    return object;
  }

  static std::uint32_t run(const UniqueObject& object, const char* program,
                           std::span<const std::uint8_t> packet) {
    const int fd = bpf_program__fd(bpf_object__find_program_by_name(object.get(), program));
    const auto result = xdpcap::test_run(fd, packet);
    EXPECT_TRUE(result) << result.error().message;
    return result ? result->value : ~0U;
  }

  xdpcap::test::TemporaryDirectory directory_;
};

TEST_F(ObjectTest, EveryFilterIsLinkedAndGivesItsValue) {
  write("other.o",
        compile_object(test::subject("tcp").sources.front().filter, {.function_name = "other"}));
  const std::vector<std::string> expressions = filter_list();
  ASSERT_GE(expressions.size(), 50U);
  std::size_t runs = 0;
  for (const std::string& expression : expressions) {
    SCOPED_TRACE(expression);
    const Subject subject = test::subject(expression);
    const cbpfc::Filter& filter = subject.sources.front().filter;
    const auto samples = check::make_up_samples(subject, {});
    ASSERT_TRUE(samples);
    for (const bool optimize : {false, true}) {
      write("filter.o", compile_object(filter, {.source = expression, .optimize = optimize}));
      const UniqueObject object = link_and_load();
      for (const auto* kind : {&samples->matching, &samples->missing}) {
        for (const check::Sample& sample : *kind) {
          if (sample.bytes.size() < xdpcap::kLeastTestRunBytes || sample.bytes.size() > 3000) {
            continue;
          }
          EXPECT_EQ(run(object, "call_one", sample.bytes),
                    *cbpfc::interpret(filter, sample.bytes, sample.wire_length_bytes));
          ++runs;
        }
      }
    }
  }
  EXPECT_GE(runs, 3 * expressions.size());
}

TEST_F(ObjectTest, SeveralFunctionsInOneProgram) {
  write("filter.o", compile_object(test::subject("ip").sources.front().filter));
  // The same function is called on the packet and on what follows its Ethernet header.
  write("other.o", compile_object(test::subject("ether[0] = 0x45").sources.front().filter,
                                  {.function_name = "other"}));
  const UniqueObject object = link_and_load();
  std::vector<std::uint8_t> packet(60);
  EXPECT_EQ(run(object, "call_both", packet), 0U);
  packet[12] = 8;
  EXPECT_EQ(run(object, "call_both", packet), 1U);
  packet[0] = 0x45;
  EXPECT_EQ(run(object, "call_both", packet), 3U);
  packet[14] = 0x45;
  EXPECT_EQ(run(object, "call_both", packet), 7U);
}

TEST_F(ObjectTest, ASetGivesTheNumberOfTheFirstThatMatches) {
  const Subject set = test::set({"udp", "ip", "ether proto 0x86dd"});
  write("filter.o", compile_object_set(set.filters()));
  write("other.o",
        compile_object(test::subject("tcp").sources.front().filter, {.function_name = "other"}));
  const UniqueObject object = link_and_load();
  EXPECT_EQ(run(object, "call_one", test::kIpv4), 2U);
  EXPECT_EQ(run(object, "call_one", test::kIpv6), 3U);
  EXPECT_EQ(run(object, "call_one", std::vector<std::uint8_t>(14)), 0U);
}

TEST_F(ObjectTest, AncillaryLoadsAreAnswered) {
  const auto compile = [](const char* program, const cbpfc::AncillaryOptions& ancillary,
                          std::string name) {
    return compile_object(test::subject(program).sources.front().filter,
                          {.function_name = std::move(name), .ancillary = ancillary});
  };
  constexpr const char* kProtocol = "2,40 0 0 4294963200,22 0 0 0";
  constexpr const char* kProcessor = "2,32 0 0 4294963236,22 0 0 0";
  write("other.o", compile(kProcessor, {.helpers = true}, "other"));
  write("filter.o", compile(kProtocol, {.from_frame = true}, "filter"));
  EXPECT_EQ(run(link_and_load(), "call_one", test::kIpv4), 0x800U);
  write("filter.o", compile(kProcessor, {.from_frame = true, .helpers = true}, "filter"));
  EXPECT_LT(run(link_and_load(), "call_one", test::kIpv4), 65536U);
  EXPECT_FALSE(compile(kProcessor, {.context = cbpfc::ebpf::Reg::R9}, "filter"));
}

TEST_F(ObjectTest, TheKernelShowsTheFilterBesideItsInstructions) {
  write("filter.o", compile_object(test::subject("ip").sources.front().filter,
                                   {.source = "ip, as an example"}));
  write("other.o",
        compile_object(test::subject("tcp").sources.front().filter, {.function_name = "other"}));
  const UniqueObject object = link_and_load();
  const int fd = bpf_program__fd(bpf_object__find_program_by_name(object.get(), "call_one"));
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
  EXPECT_EQ(info.nr_func_info, 2U);
  EXPECT_GE(info.nr_line_info, 2U);
  const std::string command = "PATH=$PATH:/usr/sbin bpftool prog dump xlated id " +
                              std::to_string(info.id) + " | grep -q '^; ip, as an example$'";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace command
