// See depfile.h.
#include "depfile.h"

#include <algorithm>

#include "base/files.h"
#include "images/listing.h"
#include "modes.h"

namespace qc {
namespace {

namespace fs = std::filesystem;

// GNU make's way, which ninja reads as well.
std::string escaped(const fs::path& path) {
  std::string text, backslashes;
  for (const char c : path.string()) {
    if (c == '\\') {
      backslashes += c;
      continue;
    }
    const bool special = c == ' ' || c == '\t' || c == '#';
    text += backslashes;
    if (special) text += backslashes + '\\';
    backslashes.clear();
    if (c == '$') text += '$';
    text += c;
  }
  return text + backslashes;
}

void add_images(std::vector<fs::path>& files, const config::CoreConfig& config, const ir::Graph& graph) {
  const config::RepresentativeDataset& dataset = config.representative_dataset;
  if (dataset.path.empty() || !wants_images(config)) return;
  Diagnostics ignored;
  const images::Listing listing =
      images::list_folder(dataset.path, dataset.max_images, static_cast<int64_t>(graph.inputs.size()),
                          dataset.other_inputs, ignored);
  for (const images::Item& item : listing.items)
    files.insert(files.end(), item.files.begin(), item.files.end());
  files.push_back(dataset.path);
}

}  // namespace

std::vector<fs::path> files_read(const ConvertOptions& options, const config::CoreConfig& config,
                                 const ir::Graph& graph) {
  std::vector<fs::path> files{options.model};
  for (const std::string& name : graph.external_files) files.push_back(options.model.parent_path() / name);
  if (!options.config.empty()) files.push_back(options.config);
  if (config.target.ends_with(".json")) files.emplace_back(config.target);
  for (const fs::path& path : {config.representative_dataset.other_inputs, config.gates.labels})
    if (!path.empty()) files.push_back(path);
  add_images(files, config, graph);
  return files;
}

std::string depfile_text(const fs::path& target, const std::vector<fs::path>& files) {
  std::string text = escaped(target) + ":";
  for (const fs::path& file : files) text += " \\\n  " + escaped(file);
  text += "\n";
  for (const fs::path& file : files)  // a '%' would make it a pattern
    if (file.string().find('%') == std::string::npos) text += "\n" + escaped(file) + ":\n";
  return text;
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
