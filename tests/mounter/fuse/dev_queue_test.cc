// SPDX-License-Identifier: Apache-2.0
// The FUSE room against a kernel made of bytes.
#include "mounter/fuse/dev_queue.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "mounter/fuse/lowlevel.h"
#include "tests/mounter/fuse/fake_kernel.h"

namespace threefs::fuse {
namespace {

constexpr uint64_t kFile0 = 0x1000;

TEST(DevQueue, InitIsRecordedAndItsAnswerCarriesNewerFlags) {
  FakeKernel k;
  const Answer a = k.Init();
  ASSERT_EQ(a.error, 0);
  const auto out = a.As<fuse_init_out>();
  EXPECT_EQ(out.major, 7U);
  EXPECT_NE(out.flags & FUSE_HANDLE_KILLPRIV_V2, 0U);
  EXPECT_NE(out.flags & FUSE_PARALLEL_DIROPS, 0U);
  EXPECT_NE(out.flags & FUSE_INIT_EXT, 0U);
  EXPECT_NE(out.flags2 & (1U << 4), 0U) << "DIRECT_IO_ALLOW_MMAP, bit 36";
  EXPECT_EQ(out.flags & FUSE_WRITEBACK_CACHE, 0U);
  EXPECT_EQ(out.flags & FUSE_SPLICE_READ, 0U);
  EXPECT_EQ(out.max_write, 1U << 20);
  EXPECT_EQ(out.max_pages, 256);
  EXPECT_EQ(out.time_gran, 1000U);
  EXPECT_EQ(k.init().size(), sizeof(fuse_in_header) + sizeof(fuse_init_in));
}

TEST(DevQueue, AnOldKernelIsOfferedNothingItDoesNotKnow) {
  FakeKernel k;
  fuse_init_in in = FakeKernel::InitIn();
  in.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES;
  const auto out = k.Ask(FUSE_INIT, 0, in).As<fuse_init_out>();
  EXPECT_EQ(out.flags & ~in.flags, 0U);
  EXPECT_EQ(out.flags2, 0U);
}

TEST(DevQueue, ReplayingInitPrimesSilently) {
  FakeKernel first;
  first.Init();
  FakeKernel next;
  bool primed = false;
  next.Run([&] { primed = next.queue().Prime(first.init()); });
  EXPECT_TRUE(primed);
  EXPECT_TRUE(next.answers().empty()) << "the kernel must not hear a second answer";
  EXPECT_EQ(next.Ask(FUSE_GETATTR, 1, fuse_getattr_in{}).error, 0) << "and then it serves";
}

TEST(DevQueue, UnprimedSessionsRefuse) {
  FakeKernel k;
  EXPECT_EQ(k.Ask(FUSE_GETATTR, 1, fuse_getattr_in{}).error, -EIO);
  bool primed = true;
  k.Run([&] { primed = k.queue().Prime({1, 2, 3}); });
  EXPECT_FALSE(primed);
}

TEST(DevQueue, LooksUpReadsAndWrites) {
  FakeKernel k;
  k.Init();
  using namespace std::string_view_literals;
  const auto entry = k.Ask(FUSE_LOOKUP, 1, "f0\0"sv);
  ASSERT_EQ(entry.error, 0);
  EXPECT_EQ(entry.As<fuse_entry_out>().nodeid, kFile0);
  EXPECT_EQ(k.Ask(FUSE_LOOKUP, 1, "nothing\0"sv).error, -ENOENT);
  EXPECT_EQ(k.Ask(FUSE_LOOKUP, 1, "..\0"sv).error, -EINVAL);
  EXPECT_EQ(k.Ask(FUSE_LOOKUP, 1, std::string(256, 'n') + '\0').error, -ENAMETOOLONG);
  const auto open = k.Ask(FUSE_OPEN, kFile0, fuse_open_in{}).As<fuse_open_out>();
  EXPECT_NE(open.open_flags & (1U << 6), 0U) << "parallel direct writes";
  EXPECT_NE(open.open_flags & FOPEN_KEEP_CACHE, 0U);
  fuse_read_in read{};
  read.size = 70000;
  read.offset = (1U << 20) - 100;
  const Answer data = k.Ask(FUSE_READ, kFile0, read);
  EXPECT_EQ(data.error, 0);
  EXPECT_EQ(data.body, std::vector<uint8_t>(100, 0)) << "the file ends there";
  fuse_write_in write{};
  write.size = 5;
  EXPECT_EQ(k.Ask(FUSE_WRITE, kFile0, write, "hello").As<fuse_write_out>().size, 5U);
  EXPECT_TRUE(k.lengths_agree());
  const metrics::Totals t = k.totals();
  EXPECT_EQ(t.read_bytes, 100U);
  EXPECT_EQ(t.written_bytes, 5U);
  EXPECT_EQ(t.unanswered, 0U);
}

TEST(DevQueue, DirectoriesHaveDotsAndPageByOffset) {
  FakeKernel k;
  k.Init();
  fuse_read_in in{};
  in.size = 4096;
  const Answer all = k.Ask(FUSE_READDIR, 1, in);
  ASSERT_GE(all.body.size(), 2 * 32U);
  const auto* first = reinterpret_cast<const fuse_dirent*>(all.body.data());
  EXPECT_EQ(std::string_view(first->name, first->namelen), ".");
  in.offset = first->off;
  const Answer rest = k.Ask(FUSE_READDIR, 1, in);
  EXPECT_EQ(rest.body.size() + 32, all.body.size());
  in.offset = 1000;
  EXPECT_TRUE(k.Ask(FUSE_READDIR, 1, in).body.empty());
  in.offset = 0;
  in.size = 10;
  EXPECT_TRUE(k.Ask(FUSE_READDIR, 1, in).body.empty()) << "no room for any entry";
}

TEST(DevQueue, ResentRequestsAreAnsweredUnderTheirNumber) {
  FakeKernel k;
  k.Init();
  auto bytes = k.Make(FUSE_STATFS, 1, nullptr, 0, {});
  const uint64_t resent = k.last_unique() | 1ULL << 63;
  std::memcpy(bytes.data() + offsetof(fuse_in_header, unique), &resent, sizeof(resent));
  k.Send(bytes);
  ASSERT_EQ(k.answers().size(), 1U);
  EXPECT_EQ(k.answers()[0].unique, resent);
  EXPECT_EQ(k.totals().resent, 1U);
}

TEST(DevQueue, InterruptsGoToAllQueues) {
  FakeKernel k;
  k.Init();
  fuse_interrupt_in in{77};
  k.Ask(FUSE_INTERRUPT, 0, in);
  EXPECT_TRUE(k.answers().empty());
  EXPECT_EQ(k.interrupts(), std::vector<uint64_t>{77});
}

TEST(DevQueue, PipesSocketsAndDevicesAreNotPermitted) {
  FakeKernel k;
  k.Init();
  for (const uint32_t type : {S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR}) {
    fuse_mknod_in in{};
    in.mode = type | 0644;
    EXPECT_EQ(k.Ask(FUSE_MKNOD, 1, in, std::string_view("p\0", 2)).error, -EPERM);
  }
}

TEST(DevQueue, LyingRequestsAreRefusedBeforeLibfuseSeesThem) {
  FakeKernel k;
  k.Init();
  EXPECT_EQ(k.Ask(FUSE_LOOKUP, 1, "no end").error, -EINVAL);
  EXPECT_EQ(k.Ask(FUSE_RENAME, 1, fuse_rename_in{}, std::string_view("one\0", 4)).error, -EINVAL);
  EXPECT_EQ(k.Ask(FUSE_READ, kFile0, uint32_t{0}).error, -EINVAL);
  fuse_write_in write{};
  write.size = 100;
  EXPECT_EQ(k.Ask(FUSE_WRITE, kFile0, write, "short").error, -EINVAL);
  fuse_batch_forget_in forget{};
  forget.count = 1000;
  EXPECT_EQ(k.Ask(FUSE_BATCH_FORGET, 0, forget).error, -EINVAL);
  auto wrong = k.Make(FUSE_STATFS, 1, nullptr, 0, {});
  wrong[0] = 200;  // a header that lies about its length
  k.Send(wrong);
  EXPECT_TRUE(k.answers().empty());
}

// Canned answers.
class Canned final : public fs::OtherOps {
 public:
  Task<Result<fs::StatFs>> GetStatFs(fs::Op) override { co_return Code::kFoundBug; }
  Task<Status> Access(fs::Op, fs::NodeId, uint32_t) override { co_return Status(); }
  Task<Result<fs::IoctlReply>> Ioctl(fs::Op, fs::Handle, uint32_t, std::vector<uint8_t>,
                                     size_t) override {
    co_return fs::IoctlReply{0, std::vector<uint8_t>(100, 7)};
  }
  Task<Status> SetXattr(fs::Op, fs::NodeId, std::string, std::string) override {
    co_return Status();
  }
  Task<Result<std::string>> GetXattr(fs::Op, fs::NodeId, std::string) override {
    co_return std::string("value");
  }
  Task<Result<std::string>> ListXattr(fs::Op, fs::NodeId) override { co_return std::string(); }
  Task<Status> RemoveXattr(fs::Op, fs::NodeId, std::string) override { co_return Status(); }
};

TEST(DevQueue, ErrorsIoctlsAndAttributesFitTheirAnswers) {
  fs::NullFs null(NullConfig());
  Canned others;
  fs::FileSystem sides = null.sides();
  sides.others = &others;
  FakeKernel k(sides);
  k.Init();
  EXPECT_EQ(k.Ask(FUSE_STATFS, 1).error, -EIO);
  EXPECT_EQ(k.totals().errors, 1U);
  fuse_ioctl_in ioctl{};
  ioctl.cmd = 0x80046802;
  ioctl.out_size = 4;
  const Answer a = k.Ask(FUSE_IOCTL, 1, ioctl);
  EXPECT_EQ(a.body.size(), sizeof(fuse_ioctl_out) + 4) << "never more than the caller has room for";
  fuse_getxattr_in get{};
  EXPECT_EQ(k.Ask(FUSE_GETXATTR, 1, get, std::string_view("n\0", 2)).As<fuse_getxattr_out>().size,
            5U);
  get.size = 4;
  EXPECT_EQ(k.Ask(FUSE_GETXATTR, 1, get, std::string_view("n\0", 2)).error, -ERANGE);
  get.size = 5;
  EXPECT_EQ(k.Ask(FUSE_GETXATTR, 1, get, std::string_view("n\0", 2)).body.size(), 5U);
}

TEST(DevQueue, SetAttrAndForgetSayWhatTheKernelSaid) {
  class Watching final : public fs::NameOps {
   public:
    explicit Watching(fs::NameOps* real) : real_(*real) {}
    Task<Result<fs::Entry>> Lookup(fs::Op op, fs::NodeId p, std::string n) override {
      return real_.Lookup(op, p, std::move(n));
    }
    void Forget(fs::NodeId n) override { forgotten = n; }
    Task<Result<fs::AttrReply>> GetAttr(fs::Op op, fs::NodeId n) override {
      return real_.GetAttr(op, n);
    }
    Task<Result<fs::AttrReply>> SetAttr(fs::Op op, fs::NodeId n, fs::AttrChange c) override {
      change = c;
      return real_.SetAttr(op, n, c);
    }
    Task<Result<std::string>> ReadLink(fs::Op op, fs::NodeId n) override {
      return real_.ReadLink(op, n);
    }
    Task<Result<fs::Entry>> MakeFile(fs::Op op, fs::NodeId p, std::string n, uint32_t m) override {
      return real_.MakeFile(op, p, n, m);
    }
    Task<Result<fs::Entry>> MakeDir(fs::Op op, fs::NodeId p, std::string n, uint32_t m) override {
      return real_.MakeDir(op, p, n, m);
    }
    Task<Result<fs::Entry>> MakeSymlink(fs::Op op, fs::NodeId p, std::string n,
                                        std::string t) override {
      return real_.MakeSymlink(op, p, n, t);
    }
    Task<Result<fs::Entry>> Link(fs::Op op, fs::NodeId n, fs::NodeId p, std::string s) override {
      return real_.Link(op, n, p, s);
    }
    Task<Status> Remove(fs::Op op, fs::NodeId p, std::string n, bool d) override {
      return real_.Remove(op, p, n, d);
    }
    Task<Status> Rename(fs::Op op, fs::RenameArgs a) override {
      return real_.Rename(op, std::move(a));
    }
    fs::AttrChange change;
    fs::NodeId forgotten = 0;

   private:
    fs::NameOps& real_;
  };
  fs::NullFs null(NullConfig());
  fs::FileSystem sides = null.sides();
  Watching names(sides.names);
  sides.names = &names;
  FakeKernel k(sides);
  k.Init();
  fuse_setattr_in in{};
  in.valid = FATTR_MODE | FATTR_MTIME | FATTR_ATIME | FATTR_ATIME_NOW | FATTR_KILL_SUIDGID;
  in.mode = S_IFREG | 04755;
  in.mtime = 12;
  in.mtimensec = 345678999;
  EXPECT_EQ(k.Ask(FUSE_SETATTR, 1, in).error, 0);
  EXPECT_EQ(names.change.mode, 04755U);
  EXPECT_FALSE(names.change.uid.has_value());
  EXPECT_EQ(names.change.mtime.us, 12'345'678);
  EXPECT_EQ(names.change.atime.kind, fs::TimeChange::Kind::kNow);
  EXPECT_TRUE(names.change.kill_suidgid);
  k.Ask(FUSE_FORGET, 9, fuse_forget_in{1});
  EXPECT_TRUE(k.answers().empty());
  EXPECT_EQ(names.forgotten, 9U);
}

TEST(RequestIsWhole, EveryPrefixOfARequestIsJudgedWithoutReadingPastIt) {
  FakeKernel k;
  fuse_rename2_in in{};
  const auto whole = k.Make(FUSE_RENAME2, 1, &in, sizeof(in), std::string_view("a\0b\0", 4));
  for (size_t n = 0; n < whole.size(); ++n) {
    // A copy of exactly n bytes: the address sanitizer sees a read behind it.
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_FALSE(RequestIsWhole(cut)) << n;
  }
  EXPECT_TRUE(RequestIsWhole(whole));
}

}  // namespace
}  // namespace threefs::fuse
