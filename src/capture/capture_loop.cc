// SPDX-License-Identifier: BSD-3-Clause

#include "capture/capture_loop.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "capture/packet_writer.h"
#include "capture/time_order.h"

namespace xdpcap {

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kIdleWaitNs = 100'000'000;
constexpr std::uint64_t kMostLookBackNs = 1'000'000;

// How long a packet waits for older ones of other CPUs.  A ring takes up less than a byte a
// nanosecond, so a small ring gets a look-back in which at most an eighth of it fills.
std::uint64_t look_back_ns(const RecordReaders& rings) {
  return std::min(kMostLookBackNs, rings.front()->size_bytes() / 8);
}

class CaptureLoop {
 public:
  CaptureLoop(CaptureSource& source, const RecordReaders& rings, PcapngWriter& writer,
              ByteSink& sink, TimeSource& time, const CaptureLoopOptions& options)
      : source_(source),
        output_(writer),
        sink_(sink),
        time_(time),
        options_(options),
        look_back_ns_(look_back_ns(rings)),
        clock_(time),
        order_(rings, look_back_ns_),
        packets_(writer, clock_, options.actions) {}

  CaptureSummary run() {
    start_ns_ = time_.monotonic_ns();
    last_status_ns_ = last_flush_ns_ = start_ns_;
    while (!is_stopped_) {
      const Next next = take();
      keep_time();
      if (!is_stopped_) {
        wait(next);
      }
    }
    finish();
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

  void write(std::span<const TimeOrder::Held> batch) {
    for (const TimeOrder::Held& held : batch) {
      note_output(packets_.write(held.packet));
    }
    taken_packets_ += batch.size();
    if (options_.most_packets && taken_packets_ >= *options_.most_packets) {
      stop(CaptureEnd::Enough);
    }
  }

  void flush() {
    if (packets_.is_open()) {
      note_output(output_.flush());
    }
  }

  // What is due once a second.
  void keep_time() {
    const std::uint64_t now_ns = time_.monotonic_ns();
    clock_.refresh(now_ns);
    if (now_ns - last_flush_ns_ >= kSecondNs) {
      last_flush_ns_ = now_ns;
      flush();
    }
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
    std::array<pollfd, 3> waits{{{.fd = options_.signal_fd, .events = POLLIN, .revents = 0},
                                 {.fd = options_.output_fd, .events = 0, .revents = 0},
                                 {.fd = options_.wake_fd, .events = POLLIN, .revents = 0}}};
    std::uint64_t timeout_ns = 0;
    switch (next) {
      case Next::AtOnce: waits[2].fd = -1; break;
      case Next::SoonWithoutRing:
        waits[2].fd = -1;
        timeout_ns = look_back_ns_;
        break;
      case Next::WhenWoken: timeout_ns = kIdleWaitNs; break;
    }
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(timeout_ns)};
    if (::ppoll(waits.data(), waits.size(), &timeout, nullptr) < 0) {
      if (errno != EINTR) {
        stop(CaptureEnd::Failed,
             Error{.code = Errc::Kernel,
                   .message = fmt::format("wait for packets: poll: {}", std::strerror(errno)),
                   .detail = {},
                   .sys_errno = errno});
      }
      return;
    }
    if (waits[0].revents != 0) {
      // The signal stays in the descriptor: the sink looks there while its output takes nothing.
      stop(CaptureEnd::Signal);
    }
    if ((waits[1].revents & (POLLERR | POLLHUP)) != 0) {
      packets_.close();
      stop(CaptureEnd::OutputClosed);
    }
  }

  // An output that failed is left alone from then on.
  void note_output(Result<void> result) {
    if (result || !packets_.is_open()) {
      return;
    }
    packets_.close();
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
    note_failure(source_.detach());
    const std::uint64_t end_ns = time_.monotonic_ns();
    drain();
    flush();
    collect_totals();
    if (packets_.is_open()) {
      note_output(output_.write_statistics(statistics(end_ns)));
    }
    Result<void> finished = sink_.finish();
    // What stopped the output has been said already.
    if (packets_.is_open()) {
      note_output(std::move(finished));
    }
    summary_.corrupt_records = order_.corrupt_records();
  }

  // Nobody fills the ring any more: everything goes, whatever its age.
  void drain() {
    bool is_more = true;
    while (is_more) {
      is_more = order_.fill();
      const std::span<const TimeOrder::Held> ready = order_.ready(UINT64_MAX);
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
      PacketTotals& totals = statistics.totals[index(action)];
      totals.written = packets_.delivered(action);
      totals.unwritten = packets_.taken(action) - totals.written;
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
    if (options_.readers.at_the_end) {
      options_.readers.at_the_end(*statistics);
    }
  }

  std::vector<PcapngStatistics> statistics(std::uint64_t end_ns) const {
    std::vector<PcapngStatistics> blocks;
    for (const Action action : options_.actions) {
      const PacketTotals& totals = summary_.totals[index(action)];
      blocks.push_back({.start_ns = clock_.to_wall_ns(start_ns_),
                        .end_ns = clock_.to_wall_ns(end_ns),
                        .received = totals.received,
                        .accepted = totals.matched,
                        .held_back = totals.held_back,
                        .dropped = totals.lost,
                        .delivered = totals.written});
    }
    return blocks;
  }

  CaptureSource& source_;
  PcapngWriter& output_;
  ByteSink& sink_;
  TimeSource& time_;
  const CaptureLoopOptions& options_;
  std::uint64_t look_back_ns_;
  WallClock clock_;
  TimeOrder order_;
  PacketWriter packets_;
  CaptureSummary summary_;
  std::uint64_t start_ns_ = 0;
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
