// The cnn adaptor on real photographs, and on what is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/adaptors/adaptor_process.h"

namespace fractos {
namespace {

using testing::HasSubstr;

std::string Photograph(const std::string& name) {
  std::ifstream file(FRACTOS_SOURCE_DIR "/examples/classify/data/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

constexpr char kCatOrDog[] =
    R"("groups": {"dog": ["golden retriever", "beagle"],
                  "cat": ["tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"]})";

class CnnTest : public testing::Test {
 protected:
  void Configure() {
    std::optional<std::string> description = adaptor_.Configure("{}");
    ASSERT_TRUE(description.has_value());
    ASSERT_EQ(description->front(), '{') << *description;
  }
  nlohmann::json Classify(const std::string& photograph, const std::string& arguments = "{}") {
    TestAnswer answer = adaptor_.Call(
        "classify", arguments, {{.name = "image", .bytes = Photograph(photograph), .file = true}});
    EXPECT_EQ(answer.failure().reason(), "") << answer.failure().message();
    return nlohmann::json::parse(answer.bytes, nullptr, false);
  }
  AdaptorProcess adaptor_{{FRACTOS_BIN_DIR "/fractos-adaptor", "cnn"}};
};

// promise: A-14
TEST_F(CnnTest, TheCatIsAnEgyptianCat) {
  Configure();
  nlohmann::json answer = Classify("cat.png");
  EXPECT_EQ(answer["best"], "Egyptian cat");
  ASSERT_EQ(answer["labels"].size(), 5u);
  EXPECT_EQ(answer["labels"][0]["label"], "Egyptian cat");
  EXPECT_NEAR(answer["labels"][0]["probability"].get<double>(), 0.40, 0.05);
  EXPECT_EQ(answer["labels"][1]["label"], "tiger cat");
  EXPECT_NEAR(answer["labels"][1]["probability"].get<double>(), 0.33, 0.05);
}

// promise: A-14
TEST_F(CnnTest, TheOtherPhotographsAreWhatTheyShow) {
  Configure();
  EXPECT_EQ(Classify("coffee.png", R"({"top": 1})")["best"], "espresso");
  EXPECT_EQ(Classify("rocket.jpg", R"({"top": 1})")["best"], "missile");
}

// promise: A-15
TEST_F(CnnTest, GroupsSumTheProbabilitiesOfTheirLabels) {
  Configure();
  nlohmann::json answer = Classify("cat.png", std::string("{") + kCatOrDog + "}");
  EXPECT_EQ(answer["best"], "cat");
  EXPECT_EQ(answer["groups"][0]["name"], "cat");
  EXPECT_NEAR(answer["groups"][0]["probability"].get<double>(), 0.90, 0.03);
  EXPECT_LT(answer["groups"][1]["probability"].get<double>(), 0.05);
}

TEST_F(CnnTest, TextIsTheBestNameAlone) {
  Configure();
  TestAnswer answer = adaptor_.Call(
      "classify", R"({"format": "text", "otherwise": "neither", )" + std::string(kCatOrDog) + "}",
      {{.name = "image", .bytes = Photograph("cat.png"), .file = true}});
  EXPECT_EQ(answer.bytes, "cat");
  answer = adaptor_.Call(
      "classify", R"({"format": "text", "otherwise": "neither", )" + std::string(kCatOrDog) + "}",
      {{.name = "image", .bytes = Photograph("coffee.png"), .file = true}});
  EXPECT_EQ(answer.bytes, "neither");
}

TEST_F(CnnTest, TheSamePhotographGivesTheSameBytes) {
  Configure();
  std::string first = Classify("cat.png").dump();
  EXPECT_EQ(Classify("cat.png").dump(), first);
}

// promise: B-21
TEST_F(CnnTest, WhatIsNoImageIsNotAnImage) {
  Configure();
  std::string cut = Photograph("cat.png").substr(0, 5000);
  // A PNG header that announces 100,000 x 100,000 pixels.
  std::string bomb = Photograph("cat.png");
  bomb.replace(16, 8, std::string("\x00\x01\x86\xa0\x00\x01\x86\xa0", 8));
  for (const std::string& bytes :
       {std::string(), std::string("cat.png"), std::string(5000, '\xff'), cut, bomb}) {
    TestAnswer answer = adaptor_.Call("classify", "{}", {{.name = "image", .bytes = bytes}});
    EXPECT_EQ(answer.failure().reason(), "NotAnImage") << bytes.size();
  }
  EXPECT_EQ(Classify("cat.png")["best"], "Egyptian cat") << "it lives on";
}

TEST_F(CnnTest, ALabelThatTheModelDoesNotKnowIsNamed) {
  Configure();
  TestAnswer answer =
      adaptor_.Call("classify", R"({"groups": {"cat": ["unicorn"]}})",
                    {{.name = "image", .bytes = Photograph("cat.png"), .file = true}});
  EXPECT_EQ(answer.failure().reason(), "InvalidArgument");
  EXPECT_THAT(answer.failure().message(), HasSubstr("unicorn"));
}

// promise: A-14
TEST_F(CnnTest, ModelLabelsAndInputComeFromTheOptions) {
  TempFolder folder;
  std::ofstream labels(folder / "labels.txt");
  for (int i = 0; i < 1000; ++i) labels << "label " << i << "\n";
  labels.close();
  std::string options =
      R"({"model": ")" FRACTOS_SOURCE_DIR
      R"(/adaptors/cnn/model/efficientnet-lite0.onnx", "labels": ")" +
      (folder / "labels.txt") +
      R"(", "input": {"size": 224, "mean": [127, 127, 127], "scale": 0.0078125}})";
  ASSERT_EQ(adaptor_.Configure(options).value_or("nothing").front(), '{');
  EXPECT_EQ(Classify("cat.png")["best"], "label 285");
}

TEST_F(CnnTest, LabelsThatDoNotFitTheNetworkFailTheStep) {
  TempFolder folder;
  std::ofstream(folder / "labels.txt") << "cat\ndog\n";
  std::string options = R"({"labels": ")" + (folder / "labels.txt") + R"("})";
  ASSERT_EQ(adaptor_.Configure(options).value_or("nothing").front(), '{');
  TestAnswer answer = adaptor_.Call(
      "classify", "{}", {{.name = "image", .bytes = Photograph("cat.png"), .file = true}});
  EXPECT_EQ(answer.failure().reason(), "ModelUnusable");
  EXPECT_THAT(answer.failure().message(), HasSubstr("1000 numbers, but there are 2 labels"));
}

TEST_F(CnnTest, AModelThatIsNotThereIsRefusedAtOnce) {
  std::optional<std::string> answer = adaptor_.Configure(R"({"model": "/no/such.onnx"})");
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(*answer, HasSubstr("option 'model': there is no readable file /no/such.onnx"));
}

TEST_F(CnnTest, AModelThatIsNoOnnxFileFailsTheStepThatNeedsIt) {
  TempFolder folder;
  std::ofstream(folder / "model.onnx") << "no model";
  std::optional<std::string> description =
      adaptor_.Configure(R"({"model": ")" + (folder / "model.onnx") + R"("})");
  ASSERT_TRUE(description.has_value());
  EXPECT_EQ(description->front(), '{') << *description;
  TestAnswer answer = adaptor_.Call(
      "classify", "{}", {{.name = "image", .bytes = Photograph("cat.png"), .file = true}});
  EXPECT_EQ(answer.failure().reason(), "ModelUnusable");
  EXPECT_THAT(answer.failure().message(), HasSubstr("model.onnx"));
}

// promise: A-19
TEST_F(CnnTest, WrongInputOptionsAreNamed) {
  std::optional<std::string> answer = adaptor_.Configure(R"({"input": {"size": "large"}})");
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(*answer, HasSubstr("option 'input' must have a size"));
}

}  // namespace
}  // namespace fractos
