// See files.h.
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/text.h"

namespace qc {
namespace {

[[noreturn]] void cannot_read(const std::filesystem::path& path, const std::string& cause) {
  throw Error(Exit::kInput, {"cannot-read", path.string(), cause, "check the path and its permissions"});
}

[[noreturn]] void cannot_write(const std::filesystem::path& path, int error_number) {
  throw Error(Exit::kOutput, {"cannot-write", path.string(), std::strerror(error_number),
                              "choose another output folder with -o, or make room and permissions there"});
}

// Writes everything or returns the error number.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ::fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
}

// A file of these bytes; 0 or the error number.
int write_new(const std::string& path, std::string_view bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  const int error_number = write_all(fd, bytes);
  return ::close(fd) != 0 && error_number == 0 ? errno : error_number;
}

std::filesystem::path fresh_name(std::string_view suffix) {
  static std::atomic<int> counter{0};
  std::error_code failed;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(failed);
  if (failed)
    throw Error(Exit::kOutput, {"cannot-write", "the folder for temporary files", failed.message(),
                                "make the folder that TMPDIR names, or leave TMPDIR out"});
  return folder / format("qconvert-{}-{}{}", ::getpid(), counter++, suffix);
}

// Whether the file is there and has these bytes.
bool holds(const std::filesystem::path& path, std::string_view bytes) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing) ||
      std::filesystem::file_size(path, missing) != bytes.size())
    return false;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(size_t{1} << 20);
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), piece.size());
    if (!file.read(piece.data(), static_cast<std::streamsize>(size)) ||
        std::memcmp(piece.data(), bytes.data(), size) != 0)
      return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string read_now(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error_number = errno;
    std::error_code none;
    const std::filesystem::path target = std::filesystem::read_symlink(path, none);
    if (error_number == ENOENT && !none)
      cannot_read(path, format("it is a link to '{}', which is not there", target.string()));
    cannot_read(path, std::strerror(error_number));
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
    ::close(fd);
    cannot_read(path, S_ISDIR(info.st_mode) ? "it is a folder, not a file" : std::strerror(errno));
  }
  std::string bytes(info.st_size, '\0');
  size_t done = 0;
  while (true) {
    if (done == bytes.size()) bytes.resize(done + 4096);  // also right for pipes and /proc, whose size is 0
    const ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error_number = errno;
      ::close(fd);
      cannot_read(path, std::strerror(error_number));
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  ::close(fd);
  bytes.resize(done);
  return bytes;
}

}  // namespace

bool is_pipe(const std::filesystem::path& path) {
  std::error_code missing;
  const std::filesystem::file_type type = std::filesystem::status(path, missing).type();
  return type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::socket;
}

std::string read_file(const std::filesystem::path& path) {
  if (!is_pipe(path)) return read_now(path);
  // A pipe gives its bytes once, and a model or a config is read by more than one step.
  static std::mutex mutex;
  static std::map<std::string, std::string> kept;
  const std::lock_guard lock(mutex);
  auto found = kept.find(path.string());
  if (found == kept.end()) found = kept.emplace(path.string(), read_now(path)).first;
  return found->second;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  write_files_atomically({{path, bytes}});
}

std::vector<bool> write_files_atomically(const std::vector<FileToWrite>& files) {
  std::vector<std::string> temporary;
  std::vector<bool> fresh;
  const auto give_up = [&](const std::filesystem::path& path, int error_number) {
    for (const std::string& name : temporary)
      if (!name.empty()) ::unlink(name.c_str());
    cannot_write(path, error_number);
  };
  for (const FileToWrite& file : files) {
    fresh.push_back(!holds(file.path, file.bytes));
    temporary.push_back({});
    if (!fresh.back()) continue;
    temporary.back() = file.path.string() + format(".{}.tmp", ::getpid());
    if (const int error_number = write_new(temporary.back(), file.bytes)) give_up(file.path, error_number);
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!fresh[i]) continue;
    if (::rename(temporary[i].c_str(), files[i].path.c_str()) != 0) give_up(files[i].path, errno);
    temporary[i] = files[i].path.string();  // what to take away should a later one fail
  }
  return fresh;
}

TemporaryFile::TemporaryFile(std::string_view suffix) : path_(fresh_name(suffix)) {}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

TemporaryFolder::TemporaryFolder() : path_(fresh_name("")) {
  std::error_code failed;
  if (!std::filesystem::create_directory(path_, failed))
    cannot_write(path_, failed ? failed.value() : EEXIST);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace qc
