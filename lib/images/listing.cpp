// See listing.h.
#include "images/listing.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "base/text.h"

namespace qc::images {
namespace {

namespace fs = std::filesystem;

struct Ending {
  const char* ending;
  Kind kind;
};
constexpr Ending kEndings[] = {{".jpg", Kind::kPictures}, {".jpeg", Kind::kPictures},
                               {".png", Kind::kPictures}, {".webp", Kind::kPictures},
                               {".bmp", Kind::kPictures}, {".ppm", Kind::kPictures},
                               {".pgm", Kind::kPictures}, {".npy", Kind::kNpy},
                               {".npz", Kind::kNpz},      {".pb", Kind::kPb}};
const char* const kKindNames[] = {"pictures", ".npy tensors", ".npz tensors", ".pb tensors"};
constexpr const char* kKnown = "pictures (.jpg .jpeg .png .webp .bmp .ppm .pgm) or tensors (.npy .npz .pb)";

const Ending* ending_of(const std::string& name) {
  std::string lower = fs::path(name).extension().string();
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Ending& ending : kEndings) {
    if (lower == ending.ending) return &ending;
  }
  return nullptr;
}

[[noreturn]] void bad_folder(const std::string& code, const fs::path& folder, const std::string& cause,
                             const std::string& remedy) {
  throw Error(Exit::kInput, {code, folder.string(), cause, remedy});
}

struct Names {
  std::vector<std::string> files, folders, others;  // sorted; hidden ones left out
};

Names names_in(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) {
    bad_folder("no-folder", folder, "there is no such folder",
               "correct the path (--images, or representative_dataset.path)");
  }
  if (!fs::is_directory(folder, error)) {
    bad_folder("no-folder", folder, "it is a file, not a folder", "name the folder that holds the images");
  }
  Names names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.')) continue;
    const bool folder_inside = it->is_directory(ignored),
               other = it->is_other(ignored);  // pipes: never opened
    (folder_inside ? names.folders : other ? names.others : names.files).push_back(name);
  }
  if (error)
    bad_folder("no-folder", folder, "it cannot be listed: " + error.message(), "check its permissions");
  std::sort(names.files.begin(), names.files.end());
  std::sort(names.folders.begin(), names.folders.end());
  std::sort(names.others.begin(), names.others.end());
  return names;
}

std::vector<fs::path> input_files(const fs::path& folder, int64_t input_count) {
  std::vector<fs::path> files;
  for (int64_t i = 0; i < input_count; ++i) files.push_back(folder / format("input_{}.pb", i));
  return files;
}

// ONNX's own test data: folders test_data_set_0, ... with input_0.pb, ...; or one such folder itself.
bool add_test_data(const fs::path& folder, const Names& names, int64_t input_count,
                   std::vector<Item>& items) {
  for (const std::string& name : names.folders) {
    if (name.starts_with("test_data_set_")) items.push_back({name, input_files(folder / name, input_count)});
  }
  const auto has = [&names](const char* name) {
    return std::count(names.files.begin(), names.files.end(), name) > 0;
  };
  if (items.empty() && input_count > 1 && has("input_0.pb")) {
    items.push_back({folder.filename().string(), input_files(folder, input_count)});
  }
  return !items.empty();
}

// Whether a file of this kind lies in the folder.
bool holds(const fs::path& folder, Kind kind) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const Ending* ending = name.starts_with('.') ? nullptr : ending_of(name);
    if (ending && ending->kind == kind) return true;
  }
  return false;
}

// A folder for each class beside pictures at the top looks as if all were taken.
void note_folders(const fs::path& folder, std::vector<std::string> inside, Kind kind,
                  Diagnostics& diagnostics) {
  std::erase_if(inside, [&](const std::string& name) { return !holds(folder / name, kind); });
  if (inside.empty()) return;
  diagnostics.warning({"subfolders", folder.string(),
                       format("subfolders are not searched, and hold {} as well: {}",
                              kKindNames[static_cast<int>(kind)], some_of(inside)),
                       "put all files into one folder, or keep others elsewhere"});
}

}  // namespace

std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  std::vector<std::string> shown(names.begin(),
                                 names.begin() + static_cast<int64_t>(std::min(kShown, names.size())));
  return join(shown, ", ") + (names.size() > kShown ? format(" and {} more", names.size() - kShown) : "");
}

std::vector<std::string> known_endings(bool pictures) {
  std::vector<std::string> endings;
  for (const Ending& ending : kEndings)
    if ((ending.kind == Kind::kPictures) == pictures) endings.emplace_back(ending.ending);
  return endings;
}

Listing list_folder(const fs::path& folder, int64_t max_images, int64_t input_count, const fs::path& apart,
                    Diagnostics& diagnostics) {
  const Names names = names_in(folder);
  std::map<Kind, std::vector<std::string>> found;
  std::vector<std::string> others = names.others;
  for (const std::string& name : names.files) {
    const Ending* ending = ending_of(name);
    std::error_code ignored;
    if (!apart.empty() && fs::equivalent(folder / name, apart, ignored)) continue;
    if (!ending) {
      others.push_back(name);
    } else if (ending->kind != Kind::kPb || !name.starts_with("output_")) {
      found[ending->kind].push_back(name);
    }
  }
  Listing listing;
  const bool is_test_data = add_test_data(folder, names, input_count, listing.items);
  if (is_test_data) found[Kind::kPb];
  if (found.size() > 1) {
    std::vector<std::string> kinds;
    for (const auto& [kind, files] : found) {
      const std::string example = files.empty() ? listing.items[0].name : files[0];
      kinds.push_back(format("{} ({}, ...)", kKindNames[static_cast<int>(kind)], example));
    }
    bad_folder("mixed-folder", folder, "it holds " + join(kinds, " and "),
               "keep one kind of file in the folder");
  }
  if (found.empty()) {
    const std::string inside =
        names.folders.empty() ? "" : format("; subfolders ({}) are not searched", some_of(names.folders));
    bad_folder("no-images", folder, format("it holds no {}{}", kKnown, inside),
               "name a folder with such files");
  }
  if (!others.empty()) {
    diagnostics.warning({"other-files", folder.string(),
                         format("files of no known kind are ignored: {}", some_of(others)),
                         format("keep only {} in the folder", kKnown)});
  }
  listing.kind = found.begin()->first;
  if (!is_test_data) {
    note_folders(folder, names.folders, listing.kind, diagnostics);
    for (const std::string& name : found.begin()->second) listing.items.push_back({name, {folder / name}});
  }
  if (std::ssize(listing.items) > max_images) listing.items.resize(std::max<int64_t>(0, max_images));
  return listing;
}

}  // namespace qc::images
