// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_record.h"

#include <gtest/gtest.h>

#include <string>

#include "client/base/rng.h"
#include "client/base/status_code.h"
#include "client/base/uuid.h"

namespace threefs::tools {
namespace {

VolumeRecord Sample() {
  Rng rng(7);
  return {.id = "pvc-1",
          .name = "data \"set\"",
          .path = "/volumes/ns/data",
          .capacity_bytes = 10ULL << 40,
          .parameters = R"({"chunkSize":"1M"})",
          .created_us = 1'700'000'000'000'000,
          .mkdir_uuid = Uuid::Random(rng)};
}

TEST(VolumeRecord, SurvivesARoundTrip) {
  const VolumeRecord before = Sample();
  const auto after = VolumeRecord::FromJson(before.ToJson());
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  EXPECT_EQ(after->id, before.id);
  EXPECT_EQ(after->name, before.name);
  EXPECT_EQ(after->path, before.path);
  EXPECT_EQ(after->capacity_bytes, before.capacity_bytes);
  EXPECT_EQ(after->parameters, before.parameters);
  EXPECT_EQ(after->created_us, before.created_us);
  EXPECT_EQ(after->mkdir_uuid, before.mkdir_uuid);
}

TEST(VolumeRecord, RefusesWhatIsNoRecord) {
  std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(R"({"version":2,"id":"a","path":"/a"})"),
        std::string(R"({"version":1,"id":"../a","path":"/a"})"),
        std::string(R"({"version":1,"id":"a","path":"/a/../b"})"),
        std::string(R"({"version":1,"id":5,"path":"/a"})"), deep,
        std::string(kMaxRecordBytes + 1, ' ')}) {
    const auto record = VolumeRecord::FromJson(text);
    EXPECT_FALSE(record.ok()) << text.substr(0, 60);
    EXPECT_EQ(record.code(), Code::kDataCorruption);
  }
}

TEST(VolumeRecord, NegativeCapacityIsZero) {
  const auto record =
      VolumeRecord::FromJson(R"({"version":1,"id":"a","path":"/a","capacityBytes":-5})");
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->capacity_bytes, 0U);
}

TEST(CheckVolumeId, TakesNamesAndNothingElse) {
  EXPECT_TRUE(CheckVolumeId("pvc-0a.B_1").ok());
  EXPECT_TRUE(CheckVolumeId(std::string(200, 'x')).ok());
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string(".x"), std::string("a/b"),
        std::string("a\nb"), std::string("a b"), std::string("a\0b", 3), std::string(201, 'x')}) {
    EXPECT_EQ(CheckVolumeId(id).code(), Code::kInvalidArg) << id;
  }
}

TEST(CheckAbsolutePath, RefusesWhatCouldLeaveTheTree) {
  for (const char* path : {"/", "/a", "/a/b.c", "/a/..b", "/\xc3\xa4"}) {
    EXPECT_TRUE(CheckAbsolutePath(path, "p").ok()) << path;
  }
  for (const std::string& path :
       {std::string(), std::string("a"), std::string("//"), std::string("/a/"),
        std::string("/a//b"), std::string("/.."), std::string("/a/../b"), std::string("/a/."),
        std::string("/a\nb"), "/" + std::string(256, 'n'), std::string(5000, '/')}) {
    const Status status = CheckAbsolutePath(path, "p");
    EXPECT_EQ(status.code(), Code::kInvalidArg) << path.substr(0, 40);
    EXPECT_TRUE(status.message().starts_with("p ")) << status.message();
  }
}

TEST(IsUnder, ComparesWholeNames) {
  EXPECT_TRUE(IsUnder("/a/b", "/a"));
  EXPECT_TRUE(IsUnder("/a", "/a"));
  EXPECT_TRUE(IsUnder("/a", "/"));
  EXPECT_FALSE(IsUnder("/ab", "/a"));
  EXPECT_FALSE(IsUnder("/", "/a"));
}

}  // namespace
}  // namespace threefs::tools
