#include "cli/source_json.h"

#include <string>

#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(SourceJsonTest, FilesComeBackByteForByte) {
  const std::vector<SourceFile> sources = {{"a.yaml", std::string("\0\xff\r\n", 4), "/folder"},
                                           {"<stdin>", "", "/"}};
  const nlohmann::json json = nlohmann::json::parse(SourcesToJson(sources).dump());
  const absl::StatusOr<std::vector<SourceFile>> back = SourcesFromJson(json);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->size(), sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    EXPECT_EQ((*back)[i].name, sources[i].name);
    EXPECT_EQ((*back)[i].text, sources[i].text);
    EXPECT_EQ((*back)[i].folder, sources[i].folder);
  }
}

TEST(SourceJsonTest, WhatIsDamagedIsRefused) {
  for (const char* text : {"[1]", "[{}]", "3", R"([{"name": "a", "folder": "/"}])",
                           R"([{"name": "a", "folder": "/", "base64": 7}])",
                           R"([{"name": "a", "folder": "/", "base64": "*"}])"}) {
    EXPECT_EQ(SourcesFromJson(nlohmann::json::parse(text)).status().code(),
              absl::StatusCode::kDataLoss)
        << text;
  }
}

}  // namespace
}  // namespace fractos
