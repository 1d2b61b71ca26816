// Reading and writing whole files. Outputs appear complete or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace qc {

/// Whether it is a pipe, such as /dev/stdin behind `|` or `<(...)`, which nobody can read twice: ask
/// read_file().
bool is_pipe(const std::filesystem::path& path);

/// The whole file. What came through a pipe is kept, and given again under the same path. Throws
/// Error(kInput) naming the path and the reason (missing, a folder, not readable, ...).
std::string read_file(const std::filesystem::path& path);

/// Writes beside `path` under a temporary name, flushes, renames. Throws Error(kOutput) naming the path and
/// the reason (folder missing, no permission, disk full, ...) and leaves neither the file nor the temporary
/// one. A file that holds these bytes already is left alone, and keeps its time.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

struct FileToWrite {
  std::filesystem::path path;
  std::string_view bytes;
};
/// The same for files that belong together: all of them are on disk under temporary names before the first
/// one gets its own, so that a full disk leaves none of them. Renamed in the order given.
/// By file: true where it was written, false where it held these bytes already.
std::vector<bool> write_files_atomically(const std::vector<FileToWrite>& files);

/// A fresh file name in the system's temporary folder; the file is removed when this goes out of scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view suffix);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A fresh folder in the system's temporary folder, removed with what it holds when this goes out of scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace qc
