// See copies.h.
#include "images/copies.h"

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/text.h"

namespace qc::images {
namespace {

namespace fs = std::filesystem;

// The files behind a name: itself, or those of the folder in order.
std::vector<fs::path> files_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

uintmax_t size_of(const fs::path& path) {
  uintmax_t size = 0;
  std::error_code unreadable;
  for (const fs::path& file : files_of(path)) size += fs::file_size(file, unreadable);
  return size;
}

std::string hash_of(const fs::path& path) {
  std::string hashes;
  for (const fs::path& file : files_of(path)) hashes += content_hash(read_file(file));
  return hashes;
}

}  // namespace

std::vector<std::vector<std::string>> copies(const fs::path& folder, const std::vector<std::string>& names) {
  std::map<uintmax_t, std::vector<size_t>> by_size;
  for (size_t i = 0; i < names.size(); ++i) by_size[size_of(folder / names[i])].push_back(i);
  std::map<std::pair<uintmax_t, std::string>, std::vector<size_t>> by_content;
  for (const auto& [size, members] : by_size) {
    if (members.size() < 2) continue;
    for (const size_t i : members) by_content[{size, hash_of(folder / names[i])}].push_back(i);
  }
  std::vector<std::vector<size_t>> groups;
  for (auto& [content, members] : by_content)
    if (members.size() > 1) groups.push_back(std::move(members));
  std::sort(groups.begin(), groups.end());
  std::vector<std::vector<std::string>> named;
  for (const std::vector<size_t>& group : groups) {
    named.emplace_back();
    for (const size_t i : group) named.back().push_back(names[i]);
  }
  return named;
}

}  // namespace qc::images
