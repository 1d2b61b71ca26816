// See depfile.h.
#include "deliver/depfile.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "base/files.h"
#include "blank_inputs.h"
#include "images/listing.h"
#include "modes/modes.h"

namespace qc {
namespace {

namespace fs = std::filesystem;

// No escape of these is read alike by make and ninja.
bool can_be_named(const fs::path& path) {
  return path.string().find_first_of("|;\n\r") == std::string::npos;
}

// make takes "target: name=..." for a variable, but only where the first name has the sign.
bool looks_like_variable(const fs::path& path) {
  return path.string().find('=') != std::string::npos;
}

// GNU make's way, which ninja reads as well.
std::string escaped(const fs::path& path) {
  std::string text, backslashes;
  for (const char c : path.string()) {
    if (c == '\\') {
      backslashes += c;
      continue;
    }
    const bool special = c == ' ' || c == '\t' || c == '#' || c == ':';
    text += backslashes;
    if (special) text += backslashes + '\\';
    backslashes.clear();
    if (c == '$') text += '$';
    text += c;
  }
  return text + backslashes;
}

// What the command line and the config name, but for images.
std::vector<fs::path> files_named(const ConvertOptions& options, const config::CoreConfig& config) {
  std::vector<fs::path> files{options.model};
  if (!options.config.empty()) files.push_back(options.config);
  if (config.target.ends_with(".json")) files.emplace_back(config.target);
  for (const fs::path& path : {config.representative_dataset.other_inputs, config.gates.labels})
    if (!path.empty()) files.push_back(path);
  return files;
}

// Every file that the outputs depend on: model, config, target file, inputs given apart, labels, the model's
// external data, and each image; last the folder of images, whose time changes when one comes or goes.
// Sorted within each kind.
std::vector<fs::path> files_read(const ConvertOptions& options, const config::CoreConfig& config,
                                 const ir::Graph& graph) {
  std::vector<fs::path> files = files_named(options, config);
  for (const std::string& name : graph.external_files) files.push_back(options.model.parent_path() / name);
  const std::vector<fs::path> images = image_files(config, graph);
  files.insert(files.end(), images.begin(), images.end());
  if (!images.empty()) files.push_back(config.representative_dataset.path);
  return files;
}

}  // namespace

std::vector<fs::path> image_files(const config::CoreConfig& config, const ir::Graph& graph) {
  std::vector<fs::path> files;
  const config::RepresentativeDataset& dataset = config.representative_dataset;
  if (dataset.path.empty() || !(wants_images(config) || sizes_by_images(config, graph))) return files;
  Diagnostics ignored;
  const images::Listing listing =
      images::list_folder(dataset.path, dataset.max_images, static_cast<int64_t>(graph.inputs.size()),
                          dataset.other_inputs, ignored);
  for (const images::Item& item : listing.items)
    files.insert(files.end(), item.files.begin(), item.files.end());
  return files;
}

std::string depfile_text(const fs::path& target, const std::vector<fs::path>& files) {
  std::vector<fs::path> named;
  std::ranges::copy_if(files, std::back_inserter(named), can_be_named);
  std::stable_partition(named.begin(), named.end(), std::not_fn(looks_like_variable));
  std::string text = escaped(target) + ":";
  for (const fs::path& file : named) text += " \\\n  " + escaped(file);
  text += "\n";
  for (const fs::path& file : named)  // '%' would make it a pattern, '=' a variable
    if (file.string().find_first_of("%=") == std::string::npos) text += "\n" + escaped(file) + ":\n";
  return text;
}

void check_depfile_names(const ConvertOptions& options, const config::CoreConfig& config,
                         Diagnostics& problems) {
  if (options.depfile.empty()) return;
  std::vector<fs::path> named = files_named(options, config);
  if (!config.representative_dataset.path.empty()) named.push_back(config.representative_dataset.path);
  if (std::ranges::all_of(named, looks_like_variable))
    problems.error({"depfile-name", options.model.string(),
                    "make reads a rule whose files all have a '=' in their paths as a variable",
                    "write the path of one of them without it, such as one relative to the current folder"});
  named.push_back(options.stamp);
  for (const fs::path& path : named)
    if (!can_be_named(path))
      problems.error({"depfile-name", path.string(),
                      "a depfile cannot name a path with '|', ';' or a new line",
                      "rename it, or leave --depfile out"});
}

void write_depfile(const ConvertOptions& options, const config::CoreConfig& config, const ir::Graph& graph,
                   const std::vector<fs::path>& written) {
  if (!options.depfile.empty()) {
    const fs::path& target = options.stamp.empty() ? written.at(0) : options.stamp;
    write_file_atomically(options.depfile, depfile_text(target, files_read(options, config, graph)));
  }
  if (options.stamp.empty()) return;
  write_file_atomically(options.stamp, "");
  std::error_code ignored;  // it may be a moment behind: it has just been written, or was there before
  fs::last_write_time(options.stamp, fs::file_time_type::clock::now(), ignored);
}

}  // namespace qc
