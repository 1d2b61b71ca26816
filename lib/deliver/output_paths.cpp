// See output_paths.h.
#include "deliver/output_paths.h"

#include <unistd.h>

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/text.h"
#include "deliver/depfile.h"
#include "deliver/resume.h"

namespace qc {
namespace {

namespace fs = std::filesystem;

struct Named {
  fs::path path;
  std::string name;
};

// "net.report.json" -> "net.report.html"; a name that ends so already gets the ending twice.
fs::path beside(fs::path report, const char* ending) {
  if (report.extension() == ending) return report += ending;
  return report.replace_extension(ending);
}

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  if (fs::equivalent(a, b, ignored)) return true;
  // Both come empty where links lead nowhere, which is not to be the same.
  const fs::path of_a = fs::weakly_canonical(fs::absolute(a), ignored),
                 of_b = fs::weakly_canonical(fs::absolute(b), ignored);
  return !of_a.empty() && of_a == of_b;
}

std::vector<Named> files_written(const ConvertOptions& options, const config::CoreConfig& config,
                                 const OutputPaths& paths) {
  std::vector<Named> written{{paths.report, "the report"},
                             {paths.markdown, "the markdown report"},
                             {paths.html, "the HTML report"},
                             {options.depfile, "the depfile"},
                             {options.stamp, "the stamp"}};
  if (options.resume) written.push_back({resume_file(options), "the file of --resume"});
  if (config::writes(config, "onnx")) {
    written.push_back({paths.onnx, "the ONNX file"});
    written.push_back({paths.onnx_data(), "the ONNX file's external data"});
  }
  if (config::writes(config, "tflite")) written.push_back({paths.tflite, "the .tflite"});
  std::erase_if(written, [](const Named& one) { return one.path.empty(); });
  return written;
}

void check_apart(const std::vector<Named>& written, const std::vector<Named>& read, Diagnostics& problems) {
  for (const Named& output : written)
    for (const Named& input : read)
      if (!input.path.empty() && is_same(output.path, input.path))
        problems.error({"overwrites-input", output.path.string(),
                        format("{} would replace {}", output.name, input.name),
                        "choose another name or folder"});
}

// Files get their names when they are whole, and until then longer ones.
void check_lengths(const OutputPaths& paths, const config::CoreConfig& config, Diagnostics& problems) {
  constexpr size_t kLongest = 255 - std::string_view(".4194304.tmp").size();
  const auto check = [&](const fs::path& path, const char* key) {
    const size_t length = path.filename().string().size();
    if (length > kLongest)
      problems.error(
          {"cannot-write", path.string(),
           format("its name has {} bytes, and folders take {} while it is written", length, kLongest),
           format("set {} to a shorter one", key)});
  };
  if (config::writes(config, "onnx")) check(paths.onnx, "/output/onnx_name");
  if (config::writes(config, "tflite")) check(paths.tflite, "/output/tflite_name");
  for (const fs::path& path : {paths.report, paths.markdown, paths.html}) check(path, "/output/report_name");
}

}  // namespace

fs::path OutputPaths::onnx_data() const {
  fs::path data = onnx;
  return data += ".data";
}

OutputPaths plan_outputs(const ConvertOptions& options, const config::CoreConfig& config) {
  OutputPaths paths;
  const std::string stem = options.model.stem().string();
  paths.onnx = options.output_folder /
               (config.output.onnx_name.empty() ? stem + ".quant.onnx" : config.output.onnx_name);
  paths.tflite = options.output_folder /
                 (config.output.tflite_name.empty() ? stem + ".quant.tflite" : config.output.tflite_name);
  paths.report = options.output_folder /
                 (config.output.report_name.empty() ? stem + ".report.json" : config.output.report_name);
  if (options.markdown) paths.markdown = beside(paths.report, ".md");
  if (options.html) paths.html = beside(paths.report, ".html");
  Diagnostics names;
  const std::vector<Named> written = files_written(options, config, paths);
  std::vector<Named> read{{options.model, "the input model"},
                          {options.config, "the config"},
                          {config.gates.labels, "the labels"},
                          {config.representative_dataset.other_inputs, "the other inputs"}};
  if (config.target.ends_with(".json")) read.push_back({config.target, "the target's file"});
  check_apart(written, read, names);
  for (size_t i = 0; i < written.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (is_same(written[i].path, written[k].path))
        names.error({"same-output", written[i].path.string(),
                     format("{} and {} would be the same file", written[k].name, written[i].name),
                     "give them different names"});
  check_depfile_names(options, config, names);
  names.throw_if_errors(Exit::kUsage);
  Diagnostics problems;
  check_lengths(paths, config, problems);
  problems.throw_if_errors(Exit::kOutput);
  if (options.dry_run) return paths;
  std::error_code failed;
  fs::create_directories(options.output_folder, failed);
  const auto must_be_writable = [&](const fs::path& folder, const char* remedy) {
    if (failed || ::access(folder.c_str(), W_OK | X_OK) != 0)
      problems.error({"cannot-write", folder.string(),
                      failed ? failed.message() : std::generic_category().message(errno), remedy});
  };
  must_be_writable(options.output_folder, "choose another output folder with -o");
  failed.clear();
  for (const auto& [file, remedy] :
       {std::pair{options.depfile, "make that folder, or choose another with --depfile"},
        std::pair{options.stamp, "make that folder, or choose another with --stamp"}})
    if (!file.empty()) must_be_writable(fs::absolute(file).parent_path(), remedy);
  problems.throw_if_errors(Exit::kOutput);
  return paths;
}

void check_inputs_stay(const ConvertOptions& options, const config::CoreConfig& config,
                       const ir::Graph& graph, const OutputPaths& paths) {
  std::vector<Named> there = files_written(options, config, paths);
  std::error_code ignored;
  std::erase_if(there, [&](const Named& one) { return !fs::is_regular_file(one.path, ignored); });
  if (there.empty()) return;
  std::vector<Named> read;
  for (const std::string& name : graph.external_files)
    read.push_back({options.model.parent_path() / name, "the model's external data"});
  for (const fs::path& file : image_files(config, graph)) read.push_back({file, "a calibration image"});
  Diagnostics problems;
  check_apart(there, read, problems);
  problems.throw_if_errors(Exit::kUsage);
}

}  // namespace qc
