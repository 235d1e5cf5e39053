// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/capture_loop.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "xdpcap/capture/dump_requests.h"
#include "xdpcap/capture/packet_output.h"
#include "xdpcap/capture/recorder_output.h"
#include "xdpcap/capture/time_order.h"

namespace xdpcap {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kIdleWaitNs = 100'000'000;
constexpr std::uint64_t kMostLookBackNs = 1'000'000;

// How long a packet waits for older ones of other CPUs.  A small ring gets a look-back in which an eighth of it fills at
// a byte a nanosecond, which is a flood of small packets; with large ones it would be full before a longer one is over.
std::uint64_t look_back_ns(const RecordReaders& rings) {
  return std::min(kMostLookBackNs, rings.front()->size_bytes() / 8);
}

class CaptureLoop {
 public:
  CaptureLoop(CaptureSource& source, const RecordReaders& rings, PcapngWriter& writer,
              ByteSink& sink, TimeSource& time, const CaptureLoopOptions& options)
      : source_(source),
        sink_(sink),
        time_(time),
        options_(options),
        look_back_ns_(look_back_ns(rings)),
        clock_(time),
        order_(rings, look_back_ns_),
        recorder_(options.recorder
                      ? std::make_unique<RecorderOutput>(writer, clock_, options.actions,
                                                         options.sole_ifindex, *options.recorder)
                      : nullptr),
        direct_(writer, clock_, options.actions, options.sole_ifindex),
        output_(recorder_ ? static_cast<PacketOutput&>(*recorder_) : direct_),
        requests_(options.recorder ? &*options.recorder : nullptr, source, recorder_.get()) {}

  CaptureSummary run() {
    start_ns_ = time_.monotonic_ns();
    last_status_ns_ = last_flush_ns_ = start_ns_;
    // Numbers matter most while the output is too slow.
    sink_.set_while_waiting([this] { give_statistics(time_.monotonic_ns()); });
    while (!is_stopped_) {
      Next next = take();
      keep_time();  // may ask for a dump
      if (go_on()) {
        next = Next::AtOnce;
      }
      if (!is_stopped_) {
        wait(next);
      }
    }
    finish();
    sink_.set_while_waiting({});
    return std::move(summary_);
  }

 private:
  enum class Next { AtOnce, SoonWithoutRing, WhenWoken };

  // One batch from ring to writer.
  Next take() {
    // Before the look at the ring: what is reserved during it may be missed.
    const std::uint64_t horizon_ns = time_.monotonic_ns() - look_back_ns_;
    const bool is_more = order_.fill();
    write(order_.ready(horizon_ns));
    order_.release();
    if (is_more) {
      return Next::AtOnce;
    }
    if (options_.flush) {
      flush();
    }
    return order_.is_waiting() ? Next::SoonWithoutRing : Next::WhenWoken;
  }

  void write(std::span<const TimeOrder::Pending> batch) {
    note_output(output_.write(batch));
    taken_packets_ += batch.size();
    if (options_.most_packets && taken_packets_ >= *options_.most_packets) {
      stop(CaptureEnd::Enough);
    }
  }

  void flush() { note_output(output_.flush()); }

  // What the output has to do besides; true: there is more, at once.
  bool go_on() {
    const Result<PacketOutput::Step> step = output_.go_on();
    if (!step) {
      note_output(std::unexpected(step.error()));
      return false;
    }
    if (*step == PacketOutput::Step::Statistics) {
      end_section();
    }
    return *step != PacketOutput::Step::Nothing;
  }

  void end_section() {
    const std::uint64_t end_ns = end_ns_.value_or(time_.monotonic_ns());
    Result<CaptureStatistics> statistics = read_statistics();
    std::vector<PcapngStatistics> blocks;
    if (statistics) {
      blocks = statistics_blocks(statistics->totals, options_.actions, clock_.to_wall_ns(start_ns_),
                                 clock_.to_wall_ns(end_ns));
    } else {
      stop(CaptureEnd::Failed, std::move(statistics).error());
    }
    note_output(output_.write_statistics(blocks));
  }

  // What is due once a second, or ten times.
  void keep_time() {
    const std::uint64_t now_ns = time_.monotonic_ns();
    clock_.refresh(now_ns);
    note_failure(requests_.look(now_ns));
    if (now_ns - last_flush_ns_ >= kSecondNs) {
      last_flush_ns_ = now_ns;
      flush();
    }
    give_statistics(now_ns);
  }

  // Once a second.
  void give_statistics(std::uint64_t now_ns) {
    if (options_.readers.once_a_second && now_ns - last_status_ns_ >= kSecondNs) {
      last_status_ns_ += kSecondNs * ((now_ns - last_status_ns_) / kSecondNs);
      Result<CaptureStatistics> statistics = read_statistics();
      if (statistics) {
        options_.readers.once_a_second(*statistics);
      } else {
        stop(CaptureEnd::Failed, std::move(statistics).error());
      }
    }
  }

  void wait(Next next) {
    const int watch_fd = options_.watch != nullptr ? options_.watch->fd() : -1;
    std::array<pollfd, 5> waits{{{.fd = options_.signal_fd, .events = POLLIN, .revents = 0},
                                 {.fd = options_.output_fd, .events = 0, .revents = 0},
                                 {.fd = options_.wake_fd, .events = POLLIN, .revents = 0},
                                 {.fd = requests_.fd(), .events = POLLIN, .revents = 0},
                                 {.fd = watch_fd, .events = POLLIN, .revents = 0}}};
    std::uint64_t timeout_ns = 0;
    switch (next) {
      case Next::AtOnce: waits[2].fd = -1; break;
      case Next::SoonWithoutRing:
        waits[2].fd = -1;
        timeout_ns = look_back_ns_;
        break;
      case Next::WhenWoken:
        timeout_ns = requests_.until_look_ns(time_.monotonic_ns(), kIdleWaitNs);
        break;
    }
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(timeout_ns)};
    if (::ppoll(waits.data(), waits.size(), &timeout, nullptr) < 0) {
      if (errno != EINTR) {
        stop(CaptureEnd::Failed,
             Error{.code = Errc::Kernel,
                   .message = fmt::format("wait for packets: poll: {}", errno_text(errno)),
                   .detail = {},
                   .sys_errno = errno});
      }
      return;
    }
    if (waits[3].revents != 0) {
      requests_.take_signal();
    }
    if (waits[4].revents != 0) {
      look_at_watch();
    }
    if (waits[0].revents != 0) {
      // The signal stays in the descriptor: the sink looks there while its output takes nothing.
      stop(CaptureEnd::Signal);
    }
    if ((waits[1].revents & (POLLERR | POLLHUP)) != 0) {
      output_.close();
      stop(CaptureEnd::OutputClosed);
    }
  }

  void look_at_watch() {
    std::optional<CaptureWatch::End> end = options_.watch->look();
    if (!end) {
      return;
    }
    stop(end->error ? CaptureEnd::Failed : CaptureEnd::Signal, std::move(end->error));
  }

  // An output that failed is left alone from then on.
  void note_output(Result<void> result) {
    if (result) {
      return;
    }
    output_.close();
    Error error = std::move(result).error();
    if (error.sys_errno == EPIPE) {
      stop(CaptureEnd::OutputClosed);
    } else if (error.sys_errno == EINTR || error.sys_errno == ECANCELED) {
      stop(CaptureEnd::OutputStuck);
    } else {
      stop(CaptureEnd::Failed, std::move(error));
    }
  }

  // The first reason counts, but any failure outranks being asked to stop.
  void stop(CaptureEnd end, std::optional<Error> error = std::nullopt) {
    const bool was_asked_to =
        summary_.end == CaptureEnd::Signal || summary_.end == CaptureEnd::Enough;
    if (!is_stopped_ || (was_asked_to && end != CaptureEnd::Enough)) {
      summary_.end = end;
    }
    if (error && !summary_.error) {
      summary_.end = CaptureEnd::Failed;
      summary_.error = std::move(error);
    }
    is_stopped_ = true;
  }

  void note_failure(Result<void> result) {
    if (!result) {
      stop(CaptureEnd::Failed, std::move(result).error());
    }
  }

  void finish() {
    Result<void> detached = source_.detach();
    const bool is_final = detached.has_value();
    note_failure(std::move(detached));
    end_ns_ = time_.monotonic_ns();
    drain(is_final);
    output_.end();
    while (go_on()) {
    }
    collect_totals();
    Result<void> finished = sink_.finish();
    // What stopped the output has been said already.
    if (output_.is_open()) {
      note_output(std::move(finished));
    }
    summary_.corrupt_records = order_.corrupt_records();
  }

  // Nobody fills the rings any more: everything goes, whatever its age.  If that is not so, because a program could not
  // be taken out, what fills them meanwhile has to end somewhere.
  void drain(bool is_final) {
    constexpr int kMostRounds = 1000;
    bool is_more = true;
    for (int round = 0; is_more && (is_final || round < kMostRounds); ++round) {
      is_more = order_.fill();
      const std::span<const TimeOrder::Pending> ready = order_.ready(UINT64_MAX);
      is_more = is_more || !ready.empty();
      write(ready);
      order_.release();
    }
  }

  Result<CaptureStatistics> read_statistics() {
    CaptureStatistics statistics;
    statistics.by_cpu = TRY(source_.counters_by_cpu());
    statistics.wall_ns = clock_.to_wall_ns(time_.monotonic_ns());
    statistics.totals = count_totals(statistics.by_cpu, options_.actions);
    for (const Action action : options_.actions) {
      output_.count(action, statistics.totals[index(action)]);
    }
    return statistics;
  }

  void collect_totals() {
    Result<CaptureStatistics> statistics = read_statistics();
    if (!statistics) {
      stop(CaptureEnd::Failed, std::move(statistics).error());
      return;
    }
    summary_.totals = statistics->totals;
    summary_.are_totals_known = true;
    if (options_.readers.at_the_end) {
      options_.readers.at_the_end(*statistics);
    }
  }

  CaptureSource& source_;
  ByteSink& sink_;
  TimeSource& time_;
  const CaptureLoopOptions& options_;
  std::uint64_t look_back_ns_;
  WallClock clock_;
  TimeOrder order_;
  std::unique_ptr<RecorderOutput> recorder_;  // may be null
  DirectOutput direct_;                       // unused if there is a recorder
  PacketOutput& output_;
  DumpRequests requests_;
  CaptureSummary summary_;
  std::uint64_t start_ns_ = 0;
  std::optional<std::uint64_t> end_ns_;  // when the programs had left the hook
  std::uint64_t last_status_ns_ = 0;
  std::uint64_t last_flush_ns_ = 0;
  std::uint64_t taken_packets_ = 0;
  bool is_stopped_ = false;
};

}  // namespace

CaptureSummary run_capture(CaptureSource& source, const RecordReaders& rings, PcapngWriter& writer,
                           ByteSink& sink, TimeSource& time, const CaptureLoopOptions& options) {
  return CaptureLoop(source, rings, writer, sink, time, options).run();
}

}  // namespace xdpcap
