// See survey.h. Conversions by convert(), figures by compare(): the survey only asks both again and again.
#include "survey.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/text.h"
#include "compare.h"
#include "deliver/output_paths.h"
#include "onnx_io/onnx_io.h"
#include "prepare.h"

namespace qc {
namespace {

struct Way {
  const char* name;
  std::vector<const char*> sets;
};

// Every mode, and the widths that people ask for.
const std::vector<Way>& ways() {
  static const std::vector<Way> table{
      {"static where it pays", {"/mode=static", "/placement=auto"}},
      {"static wherever it can", {"/mode=static", "/placement=full"}},
      {"static, 6-bit weights",
       {"/mode=static", "/placement=auto",
        R"(/bit_width_config=[{"filter":{"name":"*"},"weights_n_bits":6}])"}},
      {"static, 4-bit weights",
       {"/mode=static", "/placement=auto",
        R"(/bit_width_config=[{"filter":{"name":"*"},"weights_n_bits":4}])"}},
      {"static, QOperator", {"/mode=static", "/placement=auto", "/output/onnx/form=qoperator"}},
      {"dynamic", {"/mode=dynamic"}},
      {"weights alone, 8 bits", {"/mode=weight_only"}},
      {"weights alone, 4 bits in blocks of 32", {"/mode=weight_only", "/weight_only/block_size=32"}},
      {"float16", {"/mode=float16"}},
      {"bfloat16", {"/mode=bfloat16"}},
  };
  return table;
}

std::string file_stem(const std::string& name) {
  std::string stem;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      stem += c;
    else if (!stem.empty() && stem.back() != '_')
      stem += '_';
  return stem;
}

struct Made {
  report::SurveyRow row;
  std::filesystem::path file;
  std::optional<Error> error;
};

ConvertOptions of_way(const SurveyOptions& options, const Way& way) {
  ConvertOptions of_row = options.convert;
  for (const char* set : way.sets) of_row.overrides.push_back(config::parse_override(set));
  return of_row;
}

// The same with its own file names in the folder, and nothing to judge: the survey does that.
ConvertOptions into_folder(const SurveyOptions& options, const Way& way,
                           const std::filesystem::path& folder) {
  ConvertOptions convert_options = options.convert;
  convert_options.output_folder = folder;
  convert_options.overrides.push_back({"/output/formats", R"(["onnx"])"});
  convert_options.overrides.push_back({"/output/onnx_name", json_quoted(file_stem(way.name) + ".onnx")});
  convert_options.overrides.push_back(
      {"/output/report_name", json_quoted(file_stem(way.name) + ".report.json")});
  convert_options.overrides.push_back({"/gates", "{}"});
  for (const char* set : way.sets) convert_options.overrides.push_back(config::parse_override(set));
  return convert_options;
}

Made make(const SurveyOptions& options, const Way& way, const std::filesystem::path& folder) {
  Made made;
  made.row.name = way.name;
  made.row.sets.assign(way.sets.begin(), way.sets.end());
  made.file = folder / (file_stem(way.name) + ".onnx");
  Diagnostics ignored;
  try {
    made.row.config_json = config::to_json(load_config(of_way(options, way), ignored));
    made.row.notes = convert(into_folder(options, way, folder)).report.notes;
  } catch (const Error& error) {
    if (error.exit == Exit::kInterrupted || error.exit == Exit::kOutput) throw;
    made.row.failure = error.problems.at(0).place + ": " + error.problems.at(0).cause;
    made.error = error;
  }
  return made;
}

double worst_db(const report::ComparedModel& model) {
  double worst = INFINITY;
  for (const report::ComparedOutput& output : model.outputs) worst = std::min(worst, output.sqnr_db);
  return worst;
}

void take_figures(report::SurveyRow& row, const report::ComparedModel& model) {
  row.size = model.size;
  row.peak_memory = model.peak_memory;
  if (model.one_thread) {
    row.latency_ms = model.one_thread->median_ms;
    row.speedup = model.one_thread->speedup;
  }
  row.sqnr_db = worst_db(model);
  row.agreement = model.agreement;
  if (model.labelled) row.top1 = model.labelled->top1;
}

// Rows with the bytes of an earlier one need no figures of their own.
void find_copies(std::vector<Made>& made) {
  std::vector<std::string> bytes(made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    if (!made[i].row.failure.empty()) continue;
    bytes[i] = read_file(made[i].file);
    for (size_t k = 0; k < i; ++k)
      if (made[k].row.same_as.empty() && bytes[k] == bytes[i] && made[k].row.failure.empty()) {
        made[i].row.same_as = made[k].row.name;
        break;
      }
  }
}

CompareOptions compare_options(const SurveyOptions& options, const std::vector<Made>& made) {
  CompareOptions compare_all;
  compare_all.models.push_back(options.convert.model);
  for (const Made& one : made)
    if (one.row.failure.empty() && one.row.same_as.empty()) compare_all.models.push_back(one.file);
  compare_all.config = options.convert.config;
  compare_all.overrides = options.convert.overrides;
  if (!options.images.empty())
    compare_all.overrides.push_back(
        {"/representative_dataset/path", json_quoted(std::filesystem::absolute(options.images).string())});
  compare_all.labels = options.labels;
  compare_all.label_offset = options.label_offset;
  compare_all.max_images = options.max_images;
  compare_all.latency_rounds = options.latency_rounds;
  compare_all.threads = options.convert.threads;
  return compare_all;
}

// What is wrong with model, images, labels or folder is so for every way, and said before the first is made.
void check_all(const SurveyOptions& options, const std::filesystem::path& folder) {
  Diagnostics ignored;
  load_config(options.convert, ignored);
  check_comparable(compare_options(options, {}));
  const ConvertOptions first = into_folder(options, ways().front(), folder);
  const config::CoreConfig config = load_config(first, ignored);
  ir::Graph graph = onnx_io::read(first.model, ignored);
  onnx_io::check_convertible(graph, first.model);
  apply_input_shapes(graph, config);
  if (!config.representative_dataset.path.empty())
    open_images(graph, config, ignored,
                options.convert.threads > 0 ? options.convert.threads : available_threads());
  plan_outputs(first, config);  // makes the folder
}

// A config that the plainest way finds wrong is wrong, though others that replace what is at fault could do
// with it; where no way can be had, the plainest one's reason is the best there is.
void check_first(const Made& first) {
  if (first.error && first.error->exit == Exit::kUsage) throw *first.error;
}

void check_any(const std::vector<Made>& made) {
  if (std::ranges::all_of(made, [](const Made& one) { return one.error.has_value(); }))
    throw *made.front().error;
}

void deliver_survey(const report::Survey& survey, const std::filesystem::path& folder) {
  for (const report::SurveyRow& row : survey.rows)
    if (row.failure.empty() && !row.config_json.empty())
      write_file_atomically(folder / (file_stem(row.name) + ".json"), row.config_json);
  write_file_atomically(folder / "survey.json", report::to_json(survey));
  write_file_atomically(folder / "survey.md", report::to_markdown(survey));
  write_file_atomically(folder / "survey.svg", report::to_svg(survey));
}

}  // namespace

report::Survey survey(const SurveyOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const TemporaryFolder temporary;
  const std::filesystem::path folder = options.keep.empty() ? temporary.path() : options.keep;
  check_all(options, folder);
  std::vector<Made> made;
  for (const Way& way : ways()) {
    log::info(format("survey: {}", way.name));
    made.push_back(make(options, way, folder));
    check_first(made.front());
  }
  check_any(made);
  find_copies(made);
  const report::Comparison compared = compare(compare_options(options, made)).comparison;

  report::Survey survey;
  survey.model = options.convert.model.filename().string();
  survey.images = compared.images;
  survey.unit = compared.unit;
  survey.best = options.best;
  report::SurveyRow as_float;
  as_float.name = "float32, as given";
  take_figures(as_float, compared.models[0]);
  if (compared.models.size() > 1 && compared.models[1].labelled)
    as_float.top1 = compared.models[1].labelled->top1_a;
  as_float.sqnr_db = INFINITY;
  survey.rows.push_back(as_float);
  size_t next = 1;
  for (Made& one : made) {
    if (one.row.failure.empty() && one.row.same_as.empty()) take_figures(one.row, compared.models[next++]);
    survey.rows.push_back(one.row);
  }
  for (report::SurveyRow& row : survey.rows)
    for (const report::SurveyRow& other : survey.rows) {
      if (row.same_as.empty() || other.name != row.same_as) continue;
      row.size = other.size, row.latency_ms = other.latency_ms, row.speedup = other.speedup;
      row.peak_memory = other.peak_memory, row.sqnr_db = other.sqnr_db;
      row.agreement = other.agreement, row.top1 = other.top1;
    }
  report::mark_pareto(survey);
  report::sort_rows(survey);
  survey.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!options.keep.empty()) deliver_survey(survey, options.keep);
  return survey;
}

}  // namespace qc
