// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/array_program.h"

#include <bpf/libbpf.h>

#include <cstdio>
#include <cstdlib>

namespace xdpcap::test {
namespace {

void check(bool is_ok, const std::string& attempt) {
  if (!is_ok) {
    std::perror(attempt.c_str());
    std::abort();
  }
}

}  // namespace

ArrayProgram::ArrayProgram(const std::string& object, const std::string& program, int array_fd)
    : object_(bpf_object__open_file(object.c_str(), nullptr), bpf_object__close) {
  check(object_ != nullptr, "open " + object);
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, object_.get()) {
    bpf_program__set_autoload(each, bpf_program__name(each) == program);
  }
  bpf_map* array = bpf_object__find_map_by_name(object_.get(), "programs");
  check(array_fd < 0 || bpf_map__reuse_fd(array, array_fd) == 0, "use another program array");
  check(bpf_object__load(object_.get()) == 0, "load " + program);
  array_fd_ = bpf_map__fd(array);
  program_fd_ = bpf_program__fd(bpf_object__find_program_by_name(object_.get(), program.c_str()));
}

}  // namespace xdpcap::test
