// SPDX-License-Identifier: BSD-3-Clause

#include "guard/filter_loading.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <utility>

#include "kernel/errors.h"

namespace xdpcap {

struct FilterLoading::Work {
  const HookCapture& capture;
  int is_loaded_fd;
  std::vector<cbpfc::RawInsn> program;
  std::string text;
  std::mutex mutex = {};  // of what follows
  Result<HookCapture::Programs> programs = HookCapture::Programs();

  Result<HookCapture::Programs> load() const {
    return capture.load_programs(TRY(cbpfc::Filter::decode(program, cbpfc::Accept::Compiler)));
  }
  void finish(Result<HookCapture::Programs> loaded) {
    {
      const std::lock_guard lock(mutex);
      programs = std::move(loaded);
    }
    const std::uint64_t one = 1;
    static_cast<void>(::write(is_loaded_fd, &one, sizeof(one)));
  }
};

FilterLoading::FilterLoading(const HookCapture& capture)
    : capture_(capture), is_loaded_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

FilterLoading::~FilterLoading() = default;

void* FilterLoading::run(void* work) {
  const std::unique_ptr<std::shared_ptr<Work>> shared(static_cast<std::shared_ptr<Work>*>(work));
  (*shared)->finish((*shared)->load());
  return nullptr;
}

void FilterLoading::start(std::vector<cbpfc::RawInsn> program, std::string text) {
  std::unique_ptr<Work> work(new Work{.capture = capture_,
                                      .is_loaded_fd = is_loaded_.get(),
                                      .program = std::move(program),
                                      .text = std::move(text)});
  if (running_) {
    next_ = std::move(work);
  } else {
    begin(std::move(work));
  }
}

void FilterLoading::begin(std::unique_ptr<Work> work) {
  running_ = std::move(work);
  auto shared = std::make_unique<std::shared_ptr<Work>>(running_);
  pthread_t thread{};
  if (const int error_number = ::pthread_create(&thread, nullptr, &run, shared.get());
      error_number != 0) {
    running_->finish(fail(Errc::Kernel,
                          fmt::format("start the thread that is to load the new filter: {}",
                                      errno_text(error_number)),
                          error_number));
    return;
  }
  static_cast<void>(shared.release());
  ::pthread_detach(thread);
}

FilterLoading::Loaded FilterLoading::take() {
  std::uint64_t count = 0;
  static_cast<void>(::read(is_loaded_.get(), &count, sizeof(count)));
  Loaded loaded{.programs = HookCapture::Programs(), .text = std::move(running_->text)};
  {
    const std::lock_guard lock(running_->mutex);
    loaded.programs = std::move(running_->programs);
  }
  running_.reset();
  if (next_) {
    begin(std::move(next_));
  }
  return loaded;
}

}  // namespace xdpcap
