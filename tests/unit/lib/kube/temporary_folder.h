// A folder that goes with its test, and files in it.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_TEMPORARY_FOLDER_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fractos::kube {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "/kubeXXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  // Replaces the file. Returns its path.
  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::trunc) << text;
    return path;
  }
  // A program of the shell.
  std::string Script(const std::string& name, const std::string& text) const {
    const std::string path = Write(name, "#!/bin/sh\n" + text);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  void Remove(const std::string& name) const { std::filesystem::remove(path_ + "/" + name); }

 private:
  std::string path_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_TEMPORARY_FOLDER_H_
