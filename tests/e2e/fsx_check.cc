// SPDX-License-Identifier: Apache-2.0
//
// Random operations on one file a worker, each answer compared with a model in memory: read, write,
// O_DIRECT, append, mmap, truncate, fallocate (also punch hole and zero range), copy_file_range,
// SEEK_DATA/SEEK_HOLE, fsync, close and open again. Usage: fsx_check --dir DIR [--seconds N]
// [--seed S] [--workers W] [--bytes MAX] A failure prints the seed, the last operations and the
// first wrong byte, and exits with 1. `N passed, 0 failed` counts checked answers. Operations the
// file system refuses as unsupported (EOPNOTSUPP, EINVAL for SEEK_*) are printed once and left out
// from then on.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kAlign = 4096;
constexpr size_t kLogLines = 40;

struct Options {
  std::string dir;
  double seconds = 60;
  uint64_t seed = 0;
  int workers = 4;
  size_t bytes = 5 << 20;  // a few chunks of the default size, so that borders are met often
};

struct Buffer {
  explicit Buffer(size_t size)
      : data(static_cast<uint8_t*>(std::aligned_alloc(kAlign, Up(size)))) {}
  ~Buffer() { std::free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  static size_t Up(size_t size) { return std::max(kAlign, (size + kAlign - 1) / kAlign * kAlign); }
  uint8_t* data;
};

class Worker {
 public:
  Worker(const Options& options, int number)
      : options_(options),
        path_(options.dir + "/fsx." + std::to_string(number)),
        random_(options.seed * 1000 + static_cast<uint64_t>(number)),
        number_(number),
        buffer_(options.bytes + kAlign) {
    model_.reserve(options.bytes);
  }
  ~Worker() { CloseAll(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs until the deadline or the first wrong answer. Returns: true when every answer was right.
  bool Run(Clock::time_point deadline);
  uint64_t checks() const { return checks_; }

 private:
  using Op = bool (Worker::*)();
  struct Choice {
    const char* name;
    unsigned weight;
    Op op;
  };
  static const std::vector<Choice>& Choices();

  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
  size_t Offset() { return Below(options_.bytes); }
  size_t OffsetInFile() { return Below(model_.size() + 1); }
  size_t Length(size_t offset);
  void Fill(uint8_t* to, size_t size);
  void Grow(size_t size) {
    if (model_.size() < size) model_.resize(size, 0);
  }

  bool OpenAll(int flags);
  void CloseAll();
  bool Fail(const std::string& why);
  bool FailErrno(const char* what) {
    return Fail(std::string(what) + ": " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  }
  bool Unsupported(const char* what);
  bool Compare(const char* what, const uint8_t* got, size_t offset, size_t size);
  bool CheckSize();
  void Note(const char* name, size_t offset, size_t size);
  bool ReadBy(const char* name, int fd, size_t offset, size_t size);
  bool WriteBy(const char* name, int fd, size_t offset, size_t size);
  bool FallocateBy(const char* name, int mode);

  bool Read();
  bool Write();
  bool ReadDirect();
  bool WriteDirect();
  bool Append();
  bool MapRead();
  bool MapWrite();
  bool Truncate();
  bool Reopen();
  bool Fsync();
  bool Allocate() { return FallocateBy("fallocate", 0); }
  bool PunchHole() { return FallocateBy("punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE); }
  bool ZeroRange() { return FallocateBy("zero", FALLOC_FL_ZERO_RANGE); }
  bool CopyRange();
  bool SeekDataHole();
  bool WholeFile();

  const Options& options_;
  std::string path_;
  std::mt19937_64 random_;  // tidy-allow: rand seeded by the caller; base is not linked here
  int number_;
  Buffer buffer_;
  std::vector<uint8_t> model_;
  std::deque<std::string> log_;
  std::set<std::string> refused_;
  int fd_ = -1;
  int direct_ = -1;
  int append_ = -1;
  uint64_t steps_ = 0;
  uint64_t checks_ = 0;
};

const std::vector<Worker::Choice>& Worker::Choices() {
  static const std::vector<Choice> choices = {
      {"read", 20, &Worker::Read},
      {"write", 20, &Worker::Write},
      {"direct read", 8, &Worker::ReadDirect},
      {"direct write", 8, &Worker::WriteDirect},
      {"append", 4, &Worker::Append},
      {"map read", 8, &Worker::MapRead},
      {"map write", 8, &Worker::MapWrite},
      {"truncate", 6, &Worker::Truncate},
      {"reopen", 2, &Worker::Reopen},
      {"fsync", 2, &Worker::Fsync},
      {"fallocate", 2, &Worker::Allocate},
      {"punch hole", 2, &Worker::PunchHole},
      {"zero range", 1, &Worker::ZeroRange},
      {"copy range", 3, &Worker::CopyRange},
      {"seek", 2, &Worker::SeekDataHole},
      {"whole file", 1, &Worker::WholeFile},
  };
  return choices;
}

size_t Worker::Length(size_t offset) {
  // Small, page-sized and large in turn: partial pages, whole chunks and ranges over several chunks
  // are all met.
  static constexpr size_t kSizes[] = {64, 4096, 65536, 1 << 20};
  const size_t size = 1 + Below(kSizes[Below(4)]);
  return std::min(size, options_.bytes - offset);
}

void Worker::Fill(uint8_t* to, size_t size) {
  uint64_t word = random_();
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) word = word * 6364136223846793005ULL + 1442695040888963407ULL;
    to[i] = static_cast<uint8_t>(word >> (8 * (i % 8)));
  }
}

bool Worker::OpenAll(int flags) {
  fd_ = open(path_.c_str(), O_RDWR | O_CLOEXEC | flags, 0644);
  if (fd_ < 0) return FailErrno("open");
  append_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (append_ < 0) return FailErrno("open for append");
  direct_ = open(path_.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (direct_ < 0 && !(errno == EINVAL && Unsupported("O_DIRECT")))
    return FailErrno("open O_DIRECT");
  return true;
}

void Worker::CloseAll() {
  for (int* fd : {&fd_, &direct_, &append_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

bool Worker::Fail(const std::string& why) {
  std::printf("FAILED worker %d, seed %llu, step %llu: %s\n", number_,
              static_cast<unsigned long long>(options_.seed),
              static_cast<unsigned long long>(steps_), why.c_str());
  for (const std::string& line : log_) std::printf("  %s\n", line.c_str());
  std::fflush(stdout);
  return false;
}

bool Worker::Unsupported(const char* what) {
  if (refused_.insert(what).second && number_ == 0)
    std::printf("not supported here, left out: %s\n", what);
  return true;
}

bool Worker::Compare(const char* what, const uint8_t* got, size_t offset, size_t size) {
  ++checks_;
  if (size == 0 || std::memcmp(got, model_.data() + offset, size) == 0) return true;
  size_t first = 0;
  while (got[first] == model_[offset + first]) ++first;
  size_t wrong = 0;
  size_t zeros = 0;
  for (size_t i = first; i < size; ++i) {
    wrong += got[i] != model_[offset + i] ? 1 : 0;
    zeros += got[i] == 0 && model_[offset + i] != 0 ? 1 : 0;
  }
  char text[200];
  std::snprintf(
      text, sizeof text,
      "%s: byte %zu is 0x%02x, should be 0x%02x; %zu wrong bytes (%zu of them zero), size %zu",
      what, offset + first, got[first], model_[offset + first], wrong, zeros, model_.size());
  return Fail(text);
}

bool Worker::CheckSize() {
  struct stat attr = {};
  if (fstat(fd_, &attr) != 0) return FailErrno("fstat");
  ++checks_;
  if (static_cast<size_t>(attr.st_size) == model_.size()) return true;
  return Fail("size is " + std::to_string(attr.st_size) + ", should be " +
              std::to_string(model_.size()));
}

void Worker::Note(const char* name, size_t offset, size_t size) {
  char line[120];
  std::snprintf(line, sizeof line, "%llu %s [%zu, %zu) size %zu",
                static_cast<unsigned long long>(steps_), name, offset, offset + size,
                model_.size());
  log_.emplace_back(line);
  if (log_.size() > kLogLines) log_.pop_front();
}

bool Worker::ReadBy(const char* name, int fd, size_t offset, size_t size) {
  Note(name, offset, size);
  const size_t expected = offset >= model_.size() ? 0 : std::min(size, model_.size() - offset);
  size_t got = 0;
  while (got < size) {
    const ssize_t count =
        pread(fd, buffer_.data + got, size - got, static_cast<off_t>(offset + got));
    if (count < 0) return FailErrno(name);
    if (count == 0) break;
    got += static_cast<size_t>(count);
    if (got % kAlign != 0)
      break;  // a direct read can only go on at an aligned place; short means end of file
  }
  if (got != expected) {
    return Fail(std::string(name) + " gave " + std::to_string(got) + " bytes, should be " +
                std::to_string(expected));
  }
  return Compare(name, buffer_.data, offset, got);
}

bool Worker::WriteBy(const char* name, int fd, size_t offset, size_t size) {
  Note(name, offset, size);
  Fill(buffer_.data, size);
  const ssize_t count = pwrite(fd, buffer_.data, size, static_cast<off_t>(offset));
  if (count < 0) return FailErrno(name);
  if (static_cast<size_t>(count) != size)
    return Fail(std::string(name) + " was short: " + std::to_string(count));
  Grow(offset + size);
  std::memcpy(model_.data() + offset, buffer_.data, size);
  return CheckSize();
}

bool Worker::Read() {
  const size_t offset = OffsetInFile();
  return ReadBy("read", fd_, offset, Length(std::min(offset, options_.bytes - 1)));
}

bool Worker::Write() {
  const size_t offset = Below(4) == 0 ? Offset() : std::min(OffsetInFile(), options_.bytes - 1);
  return WriteBy("write", fd_, offset, Length(offset));
}

bool Worker::ReadDirect() {
  if (direct_ < 0) return true;
  const size_t offset = OffsetInFile() / kAlign * kAlign;
  return ReadBy("direct read", direct_, offset,
                Buffer::Up(Length(std::min(offset, options_.bytes - 1))));
}

bool Worker::WriteDirect() {
  if (direct_ < 0) return true;
  const size_t offset = std::min(OffsetInFile(), options_.bytes - 1) / kAlign * kAlign;
  const size_t size =
      std::min(Buffer::Up(Length(offset)), (options_.bytes - offset) / kAlign * kAlign);
  return size == 0 || WriteBy("direct write", direct_, offset, size);
}

bool Worker::Append() {
  const size_t offset = model_.size();
  if (offset >= options_.bytes) return true;
  const size_t size = Length(offset);
  Note("append", offset, size);
  Fill(buffer_.data, size);
  if (write(append_, buffer_.data, size) != static_cast<ssize_t>(size)) return FailErrno("append");
  Grow(offset + size);
  std::memcpy(model_.data() + offset, buffer_.data, size);
  return CheckSize();
}

bool Worker::MapRead() {
  if (model_.empty()) return true;
  const size_t offset = Below(model_.size());
  const size_t size = std::min(Length(offset), model_.size() - offset);
  const size_t base = offset / kAlign * kAlign;
  Note("map read", offset, size);
  void* map = mmap(nullptr, offset - base + size, PROT_READ,
                   Below(2) == 0 ? MAP_SHARED : MAP_PRIVATE, fd_, static_cast<off_t>(base));
  if (map == MAP_FAILED) return FailErrno("mmap");
  const bool same = Compare("map read", static_cast<uint8_t*>(map) + (offset - base), offset, size);
  munmap(map, offset - base + size);
  return same;
}

bool Worker::MapWrite() {
  const size_t offset = std::min(OffsetInFile(), options_.bytes - 1);
  const size_t size = Length(offset);
  const size_t base = offset / kAlign * kAlign;
  Note("map write", offset, size);
  if (offset + size > model_.size()) {
    if (ftruncate(fd_, static_cast<off_t>(offset + size)) != 0)
      return FailErrno("ftruncate before mmap");
    Grow(offset + size);
  }
  void* map = mmap(nullptr, offset - base + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_,
                   static_cast<off_t>(base));
  if (map == MAP_FAILED) return FailErrno("mmap");
  Fill(model_.data() + offset, size);
  std::memcpy(static_cast<uint8_t*>(map) + (offset - base), model_.data() + offset, size);
  // Direct reads look past the page cache, so what was written through the map is pushed out first
  // (as fsx does).
  const bool synced = msync(map, offset - base + size, MS_SYNC) == 0;
  munmap(map, offset - base + size);
  return synced ? CheckSize() : FailErrno("msync");
}

bool Worker::Truncate() {
  const size_t size = Below(10) == 0 ? 0 : Below(2) == 0 ? Offset() : OffsetInFile();
  Note("truncate", size, 0);
  const int code = Below(2) == 0 ? ftruncate(fd_, static_cast<off_t>(size))
                                 : truncate(path_.c_str(), static_cast<off_t>(size));
  if (code != 0) return FailErrno("truncate");
  model_.resize(size, 0);
  return CheckSize();
}

bool Worker::Reopen() {
  const bool empty = Below(10) == 0;
  Note(empty ? "reopen O_TRUNC" : "reopen", 0, 0);
  CloseAll();
  if (empty) model_.clear();
  return OpenAll(empty ? O_TRUNC : 0) && CheckSize();
}

bool Worker::Fsync() {
  Note("fsync", 0, 0);
  const int code = Below(2) == 0 ? fsync(fd_) : fdatasync(fd_);
  return code == 0 ? CheckSize() : FailErrno("fsync");
}

bool Worker::FallocateBy(const char* name, int mode) {
  if (refused_.contains(name)) return true;
  const size_t offset = Offset();
  const size_t size = Length(offset);
  Note(name, offset, size);
  if (fallocate(fd_, mode, static_cast<off_t>(offset), static_cast<off_t>(size)) != 0) {
    return errno == EOPNOTSUPP ? Unsupported(name) : FailErrno(name);
  }
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0) Grow(offset + size);
  if (mode != 0 && offset < model_.size()) {
    const size_t end = std::min(offset + size, model_.size());
    std::fill(model_.begin() + static_cast<ptrdiff_t>(offset),
              model_.begin() + static_cast<ptrdiff_t>(end), uint8_t{0});
  }
  return CheckSize();
}

bool Worker::CopyRange() {
  if (model_.empty() || refused_.contains("copy_file_range")) return true;
  const size_t from = Below(model_.size());
  const size_t to = Offset();
  size_t size = std::min({Length(from), model_.size() - from, options_.bytes - to});
  size = std::min(size, from < to ? to - from : from - to);  // ranges of one file must not overlap
  Note("copy from", from, size);
  Note("copy to", to, size);
  size_t done = 0;
  while (done < size) {
    auto in = static_cast<off64_t>(from + done);
    auto out = static_cast<off64_t>(to + done);
    const ssize_t count = copy_file_range(fd_, &in, fd_, &out, size - done, 0);
    if (count < 0 && (errno == EOPNOTSUPP || errno == EXDEV || errno == ENOSYS))
      return Unsupported("copy_file_range");
    if (count < 0) return FailErrno("copy_file_range");
    if (count == 0) return Fail("copy_file_range ended early");
    done += static_cast<size_t>(count);
  }
  if (size == 0) return true;
  Grow(to + size);
  std::memmove(model_.data() + to, model_.data() + from, size);
  return CheckSize();
}

bool Worker::SeekDataHole() {
  if (model_.empty() || refused_.contains("SEEK_DATA")) return true;
  const size_t from = Below(model_.size());
  Note("seek", from, 0);
  off_t data = lseek(fd_, static_cast<off_t>(from), SEEK_DATA);
  if (data < 0 && errno == EINVAL) return Unsupported("SEEK_DATA");
  if (data < 0 && errno != ENXIO) return FailErrno("SEEK_DATA");
  const size_t hole_end = data < 0 ? model_.size() : static_cast<size_t>(data);
  ++checks_;
  if (hole_end < from || hole_end > model_.size())
    return Fail("SEEK_DATA answered " + std::to_string(data));
  for (size_t at = from; at < hole_end; ++at) {
    if (model_[at] != 0) return Fail("SEEK_DATA jumped over data at " + std::to_string(at));
  }
  const off_t hole = lseek(fd_, static_cast<off_t>(from), SEEK_HOLE);
  if (hole < 0) return FailErrno("SEEK_HOLE");
  ++checks_;
  if (static_cast<size_t>(hole) < from || static_cast<size_t>(hole) > model_.size()) {
    return Fail("SEEK_HOLE answered " + std::to_string(hole));
  }
  return true;
}

bool Worker::WholeFile() { return ReadBy("whole file", fd_, 0, options_.bytes); }

bool Worker::Run(Clock::time_point deadline) {
  unsigned total = 0;
  for (const Choice& choice : Choices()) total += choice.weight;
  if (!OpenAll(O_CREAT | O_TRUNC)) return false;
  while (Clock::now() < deadline) {
    ++steps_;
    auto pick = static_cast<unsigned>(Below(total));
    for (const Choice& choice : Choices()) {
      if (pick < choice.weight) {
        if (!(this->*choice.op)()) return false;
        break;
      }
      pick -= choice.weight;
    }
  }
  if (!WholeFile() || !Reopen() || !WholeFile()) return false;
  CloseAll();
  return unlink(path_.c_str()) == 0 || FailErrno("unlink");
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--dir") {
      options->dir = value;
    } else if (name == "--seconds") {
      options->seconds = std::strtod(value, nullptr);
    } else if (name == "--seed") {
      options->seed = std::strtoull(value, nullptr, 0);
    } else if (name == "--workers") {
      options->workers = std::atoi(value);
    } else if (name == "--bytes") {
      options->bytes = std::strtoull(value, nullptr, 0);
    } else {
      return false;
    }
  }
  return !options->dir.empty() && argc % 2 == 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() /
                                       1000 % 1000000007);
  if (!Parse(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: %s --dir DIR [--seconds N] [--seed S] [--workers W] [--bytes MAX]\n",
                 argv[0]);
    return 2;
  }
  std::printf("fsx: seed %llu, %d files of up to %zu bytes, %.0f s\n",
              static_cast<unsigned long long>(options.seed), options.workers, options.bytes,
              options.seconds);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(options.seconds));
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (int i = 0; i < options.workers; ++i) {
    workers.push_back(std::make_unique<Worker>(options, i));
    threads.emplace_back([&failed, worker = workers.back().get(), deadline] {
      if (!worker->Run(deadline)) ++failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t checks = 0;
  for (const auto& worker : workers) checks += worker->checks();
  std::printf("%llu passed, %d failed\n", static_cast<unsigned long long>(checks), failed.load());
  return failed == 0 ? 0 : 1;
}
