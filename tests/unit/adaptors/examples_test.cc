// The Python adaptor under examples/, and echo's hostile operations as tests elsewhere need them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "tests/unit/adaptors/adaptor_process.h"

namespace fractos {
namespace {

using testing::HasSubstr;

constexpr char kAnswer[] = R"({"best": "Egyptian cat", "labels": [
    {"label": "Egyptian cat", "probability": 0.4}, {"label": "tiger cat", "probability": 0.33}]})";

// promise: A-16
TEST(CaptionTest, ItWritesAPageAndFailsForWhatIsNoAnswer) {
  AdaptorProcess caption({"env", "PYTHONPATH=" FRACTOS_SOURCE_DIR "/adaptors/python", "python3",
                          FRACTOS_SOURCE_DIR "/examples/python-adaptor/caption.py"});
  ASSERT_THAT(caption.Configure("{}").value_or(""), HasSubstr("\"page\""));
  EXPECT_EQ(caption.Call("page", "{}", {{.name = "cat", .bytes = kAnswer}}).bytes,
            "# Photographs\n\n* **cat** shows probably an Egyptian cat (40%), or else perhaps a "
            "tiger cat (33%).\n");
  EXPECT_EQ(caption.Call("page", "{}", {{.name = "cat", .bytes = "meow"}}).failure().reason(),
            "NotAnAnswer");
}

// The Python kit, where it is not like the others.
TEST(PythonKitTest, WhatReturnsNothingAndWhatRaisesIsToldAsWhatItIs) {
  const std::string errors = testing::TempDir() + "/python-kit-errors";
  AdaptorProcess echo({"sh", "-c", "exec python3 \"$0\" 2>\"$1\"",
                       FRACTOS_SOURCE_DIR "/tests/unit/adaptors/python_echo.py", errors});
  ASSERT_THAT(echo.Configure("{}").value_or(""), HasSubstr("\"nothing\""));
  EXPECT_EQ(
      echo.Call("nothing", "{}").failure().message(),
      "operation 'nothing' returned NoneType: return bytes, str, Passed or a list of RefinedStep");
  EXPECT_THAT(echo.Call("number", "{}").failure().message(), HasSubstr("'number' returned int"));
  EXPECT_THAT(echo.Call("numbers", "{}").failure().message(), HasSubstr("'numbers' returned list"));
  EXPECT_THAT(echo.Call("divide", "{}").failure().message(), HasSubstr("ZeroDivisionError"));
  std::ifstream file(errors);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, HasSubstr("Traceback"));
  EXPECT_THAT(text, HasSubstr("return 1 // 0"));
}

TEST(PythonKitTest, WhateverAnOperationRaisesIsAnswered) {
  AdaptorProcess echo({"python3", FRACTOS_SOURCE_DIR "/tests/unit/adaptors/python_echo.py"});
  ASSERT_THAT(echo.Configure("{}").value_or(""), HasSubstr("\"leave\""));
  EXPECT_EQ(echo.Call("leave", "{}").failure().message(), "SystemExit: enough");
  EXPECT_EQ(echo.Call("mumble", "{}").failure().message(), "the ? milk");
  EXPECT_EQ(echo.Call("unspeakable", "{}").failure().message(), "Unspeakable: it cannot be shown");
  EXPECT_EQ(echo.Call("copy", R"({"text": "alive"})").bytes, "alive");
}

TEST(PythonKitTest, WhatConfigureDescribesIsWhatThereIs) {
  AdaptorProcess echo(
      {"python3", FRACTOS_SOURCE_DIR "/tests/unit/adaptors/python_echo.py", "undescribed"});
  ASSERT_THAT(echo.Configure("{}").value_or(""), HasSubstr("\"copy\""));
  EXPECT_EQ(echo.Call("copy", R"({"text": "here"})").bytes, "here");
  EXPECT_EQ(echo.Call("fly", "{}").failure().reason(), "Unimplemented");
}

TEST(PythonKitTest, ADescribedOperationWithoutAMethodEndsTheStart) {
  AdaptorProcess echo(
      {"python3", FRACTOS_SOURCE_DIR "/tests/unit/adaptors/python_echo.py", "forgetful"});
  EXPECT_EQ(echo.Configure("{}"), std::nullopt);
  EXPECT_EQ(echo.WaitForExit(), 1);
}

TEST(CaptionTest, TheExampleHasAtMostSixtyLines) {
  std::ifstream file(FRACTOS_SOURCE_DIR "/examples/python-adaptor/caption.py");
  int lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  EXPECT_GT(lines, 0);
  EXPECT_LE(lines, 60);
}

class HostileTest : public testing::Test {
 protected:
  void Configure(const std::string& options) {
    ASSERT_THAT(adaptor_.Configure(options).value_or(""), HasSubstr("\"operations\""));
  }
  void Start(const std::string& operation) {
    adaptor_.Execute(1, operation, "{}");
    adaptor_.Flush();
  }
  TempFolder folder_;
  AdaptorProcess adaptor_{{FRACTOS_BIN_DIR "/fractos-adaptor", "echo"}, folder_.path()};
};

TEST_F(HostileTest, WithoutTheOptionThereAreNone) {
  Configure("{}");
  EXPECT_EQ(adaptor_.Call("crash", "{}").failure().reason(), "Unimplemented");
}

TEST_F(HostileTest, CrashAborts) {
  Configure(R"({"hostile": true})");
  Start("crash");
  EXPECT_EQ(adaptor_.WaitForExit(), -SIGABRT);
}

// promise: M-03
TEST_F(HostileTest, AFileThatIsStillMappedWritableCannotBeSealed) {
  Configure(R"({"hostile": true})");
  TestAnswer answer = adaptor_.Call("unsealable", "{}");
  EXPECT_TRUE(answer.was_file);
  EXPECT_FALSE(answer.sealed_well);
}

TEST_F(HostileTest, AppendWritesALineForEveryExecution) {
  Configure(R"({"hostile": true, "log": "log"})");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(adaptor_.Call("append", R"({"text": "t"})").bytes, "ok");
  std::ifstream file(folder_ / "log");
  std::string log{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(log, "t 6b6579\nt 6b6579\n");  // "key"
}

TEST_F(HostileTest, WaitForFileAnswersOnceTheFileIsThere) {
  Configure(R"({"hostile": true})");
  adaptor_.Execute(1, "waitForFile", R"({"path": "go"})");
  adaptor_.Execute(2, "copy", R"({"text": "meanwhile"})");
  adaptor_.Flush();
  EXPECT_EQ(adaptor_.Next().value().bytes, "meanwhile");
  std::ofstream(folder_ / "go") << "";
  EXPECT_EQ(adaptor_.Next().value().bytes, "ok");
}

TEST_F(HostileTest, ARefinementMayBeFarTooLong) {
  Configure(R"({"hostile": true})");
  EXPECT_EQ(adaptor_.Call("refineMany", R"({"steps": 300})").result.refinement().steps_size(), 300);
}

TEST_F(HostileTest, GeneratedBytesDependOnTheirNumberAlone) {
  Configure("{}");
  TestAnswer answer = adaptor_.Call("generate", R"({"size": 1000000})");
  ASSERT_EQ(answer.bytes.size(), 1'000'000u);
  for (size_t i = 0; i < answer.bytes.size(); ++i) {
    ASSERT_EQ(answer.bytes[i], static_cast<char>('a' + i % 23)) << i;
  }
}

}  // namespace
}  // namespace fractos
