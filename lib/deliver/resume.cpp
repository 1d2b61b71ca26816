// See resume.h.
#include "deliver/resume.h"

#include <algorithm>

#include "base/files.h"
#include "base/log.h"
#include "base/processor.h"
#include "base/text.h"
#include "images/listing.h"
#include "run/ort_runner.h"
#include "version.h"

namespace qc {
namespace {

namespace fs = std::filesystem;

// Between two writes lie so many times what the last one took, and at least two seconds, so that writing
// takes less than two percent of the time.
constexpr int kTimesApart = 50;
constexpr std::chrono::seconds kLeastApart{2};

std::string hash_of_file(const fs::path& path) {
  return content_hash(read_file(path)) + " ";
}

std::string hash_of_model(const fs::path& model, const ir::Graph& graph) {
  std::string text = hash_of_file(model);
  for (const std::string& name : graph.external_files) text += hash_of_file(model.parent_path() / name);
  return content_hash(text);
}

// Without what says where things lie and what is made of the solved layers.
std::string hash_of_config(config::CoreConfig config) {
  config.representative_dataset.path.clear();
  config.representative_dataset.other_inputs.clear();
  config.gates = {};
  config.output = {};
  if (config.target.ends_with(".json")) config.target = hash_of_file(config.target);
  return config::hash(config);
}

std::string hash_of_images(const config::RepresentativeDataset& dataset, const ir::Graph& graph) {
  Diagnostics ignored;  // said when they were opened
  const images::Listing listing = images::list_folder(
      dataset.path, dataset.max_images, std::ssize(graph.inputs), dataset.other_inputs, ignored);
  std::string text;
  for (const images::Item& item : listing.items) {
    text += format("{}:{} ", item.name.size(), item.name);
    for (const fs::path& file : item.files) text += hash_of_file(file);
  }
  if (!dataset.other_inputs.empty()) text += hash_of_file(dataset.other_inputs);
  return content_hash(text);
}

std::string this_tool() {
  const Processor processor = this_processor();
  std::string text = format("qconvert {}, ONNX Runtime {}, {}", qconvert_version(), run::runtime_version(),
                            processor.architecture);
  for (const auto& [feature, there] : processor.features)
    if (there) text += " " + feature;
  return text;
}

// What an origin consists of, in words.
struct Field {
  std::string correct::Origin::*field;
  const char* name;
};
constexpr Field kFields[] = {
    {&correct::Origin::model, "the model"},
    {&correct::Origin::config, "the config"},
    {&correct::Origin::images, "the images"},
    {&correct::Origin::tool, "the version of qconvert, ONNX Runtime or the processor"}};

std::vector<std::string> differences(const correct::Origin& one, const correct::Origin& other) {
  std::vector<std::string> names;
  for (const Field& field : kFields)
    if (one.*field.field != other.*field.field) names.emplace_back(field.name);
  return names;
}

std::string extent_of(const correct::Kept& kept) {
  return format("layers: {}, probes of widths: {}", kept.layers.size(), kept.figures.size());
}

void warn_anew(const fs::path& file, const std::string& cause) {
  log::warn(Problem{"not-resumed", file.string(), cause,
                    "nothing needs to be done: this run starts anew and writes the file again"});
}

}  // namespace

correct::Origin origin_of(const ConvertOptions& options, const config::CoreConfig& config,
                          const ir::Graph& graph) {
  return {hash_of_model(options.model, graph), hash_of_config(config),
          hash_of_images(config.representative_dataset, graph), this_tool()};
}

Resume::Resume(fs::path file, correct::Origin origin) : file_(std::move(file)), origin_(std::move(origin)) {
  take_up();
  kept_.grown = [this] { write_in_time(); };
}

Resume::~Resume() {
  if (finished_ || (kept_.layers.empty() && kept_.figures.empty())) return;
  if (unwritten_) write();
  if (writable_)
    log::info(format("{} keeps what was solved ({}); the same command goes on from there", file_.string(),
                     extent_of(kept_)));
}

void Resume::finished() {
  finished_ = true;
  std::error_code ignored;  // one that cannot be removed could not have been written
  fs::remove(file_, ignored);
}

void Resume::take_up() {
  std::error_code missing;
  if (!fs::exists(file_, missing)) return;
  std::optional<correct::KeptFile> found;
  try {
    found = correct::parse_kept(read_file(file_));
  } catch (const Error& unreadable) {
    return warn_anew(file_, unreadable.problems.at(0).cause);
  }
  if (!found) return warn_anew(file_, "the file is damaged, or another version of qconvert has written it");
  const std::vector<std::string> other = differences(found->origin, origin_);
  if (!other.empty())
    return warn_anew(file_, "its layers were solved with other inputs; not the same: " + join(other, ", "));
  kept_ = std::move(found->kept);
  log::info(format("going on from what {} keeps ({})", file_.string(), extent_of(kept_)));
}

void Resume::write_in_time() {
  unwritten_ = true;
  if (Clock::now() < next_) return;
  const Clock::time_point start = Clock::now();
  write();
  const Clock::time_point end = Clock::now();
  next_ = end + std::max<Clock::duration>(kLeastApart, kTimesApart * (end - start));
}

void Resume::write() {
  if (!writable_) return;
  try {
    write_file_atomically(file_, correct::to_bytes(origin_, kept_));
    unwritten_ = false;
  } catch (const Error& full) {
    writable_ = false;  // once said is enough, and the outputs may still find room elsewhere
    log::warn(full.problems.at(0));
  }
}

std::filesystem::path resume_file(const ConvertOptions& options) {
  return options.output_folder / (options.model.stem().string() + ".resume");
}

std::unique_ptr<Resume> resume_of(const ConvertOptions& options, const config::CoreConfig& config,
                                  const ir::Graph& graph) {
  if (!options.resume) return nullptr;
  return std::make_unique<Resume>(resume_file(options), origin_of(options, config, graph));
}

}  // namespace qc
