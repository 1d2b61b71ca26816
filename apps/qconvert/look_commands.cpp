// What the commands take and do that look at models, and write nothing: inspect, compare.
#include <CLI/CLI.hpp>

#include "arguments.h"
#include "base/log.h"
#include "base/text.h"
#include "commands.h"
#include "compare.h"
#include "inspect.h"
#include "inspect_tflite.h"
#include "report/comparison_gates.h"
#include "report/difference.h"
#include "report/table.h"
#include "shared_options.h"
#include "target/target.h"

namespace qc::app {
namespace {

// One answer in one of the forms that go to stdout.
template <typename Found>
void print_found(const Found& found, const Talk& talk) {
  print_to_stdout(talk.json()          ? report::to_json(found)
                  : talk.wants("html") ? report::to_html(found)
                                       : report::to_text(found, talk.verbose));
}

// Layers of two formats have other names and other meanings: nothing would be found to be the same.
void check_same_format(const std::string& a, const std::string& b) {
  if (is_tflite(a) == is_tflite(b)) return;
  throw Error(Exit::kUsage, {"two-formats", "--against " + b,
                             "one model is ONNX, the other TFLite: their layers have nothing to match by",
                             "run both on pictures with: qconvert compare MODEL.onnx MODEL.tflite"});
}

struct CompareLine {
  CompareOptions options;
  std::string a, images;
  std::vector<std::string> others;
  Talk talk;
};

void add_compare_options(CLI::App& app, CompareLine& line) {
  CompareOptions& options = line.options;
  app.add_option("A", line.a, "what the others are compared with, usually the float model")->required();
  app.add_option("B", line.others, "the models to judge; ONNX and .tflite in any mix")
      ->required()
      ->expected(1, -1);
  app.add_option("--images", line.images, "pictures, .npy, .npz or .pb to run all on")->type_name("DIR");
  app.add_option("--config", options.config,
                 "core-config with the preprocessing (and images, if it names them)")
      ->type_name("CFG.json");
  app.add_option("--labels", options.labels, "CSV with the columns file,class_index: top-1 and top-5")
      ->type_name("CSV");
  app.add_option("--label-offset", options.label_offset,
                 "added to every class_index (1: output 0 is background)")
      ->type_name("N");
  app.add_flag("--per-class", options.per_class, "top-1 of every class, most lost first");
  app.add_option("--gate", options.gates, "exit 5 unless it holds, such as 'top1_drop <= 1'; may be repeated")
      ->allow_extra_args(false)
      ->type_name("BOUND");
  app.add_option("--max-images", options.max_images, "stop after so many images (default: all)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMostCount).description(""));
  app.add_option("--latency-rounds", options.latency_rounds,
                 "timed runs of each model (default: 5 to 20, until steady; 0: neither time nor memory)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, kMostCount).description(""));
  add_threads(app, options.threads);
}

std::string metric_list() {
  std::vector<report::Row> rows;
  for (const report::Metric& metric : report::metrics()) rows.push_back({metric.name, metric.meaning});
  return "\nwhat --gate can bound (<=, >=, <, >)\n" + report::columns(rows, "ll");
}

}  // namespace

int inspect_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert inspect");
  std::string model, against, target = "int8";
  Talk talk;
  app.add_option("MODEL", model, "an ONNX model, float32 or quantized already, or a .tflite file")
      ->required();
  app.add_option("--target", target, "what it could be quantized for (default: int8)")
      ->type_name("NAME|FILE.json");
  app.add_option("--against", against, "another model: what differs, layer by layer")->type_name("MODEL");
  add_talk(app, talk, {"text", "json", "html"}, "what goes to stdout: text (default), json or html");
  set_help_page(
      app, "usage: qconvert inspect MODEL [--against MODEL] [--target NAME|FILE.json] [--report json|html]",
      "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(talk, problems);
  const std::string platform = target_from_here(target);
  collect(problems, [&] { target::load(platform); });
  problems.throw_if_errors(Exit::kUsage);
  if (!against.empty()) {
    check_same_format(model, against);
    print_found(is_tflite(model) ? report::difference(inspect_tflite(model), inspect_tflite(against))
                                 : report::difference(inspect(model, platform), inspect(against, platform)),
                talk);
  } else if (is_tflite(model)) {
    print_found(inspect_tflite(model), talk);
  } else {
    print_found(inspect(model, platform), talk);
  }
  return 0;
}

int compare_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert compare");
  CompareLine line;
  add_compare_options(app, line);
  add_talk(app, line.talk, {"text", "json", "html"}, "what goes to stdout: text (default), json or html");
  set_help_page(app, "usage: qconvert compare A B [C ...] --images DIR [--config CFG.json] [--labels CSV]",
                metric_list());
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(line.talk, problems);
  if (!line.images.empty()) line.options.overrides.push_back(images_override(line.images));
  collect(problems, [&] { check_asked(line.options); });
  problems.throw_if_errors(Exit::kUsage);
  line.options.models.emplace_back(line.a);
  line.options.models.insert(line.options.models.end(), line.others.begin(), line.others.end());
  const CompareResult result = compare(line.options);
  print_to_stdout(line.talk.json()          ? report::to_json(result.comparison)
                  : line.talk.wants("html") ? report::to_html(result.comparison)
                                            : report::to_text(result.comparison));
  std::vector<Problem> failed;
  for (const report::ComparedGate& gate : result.comparison.gates)
    if (!gate.held)
      failed.push_back({"gate", format("gate {} of {}", gate.text, gate.letter),
                        format("measured {:.6g}", gate.figure),
                        "set another bound, or compare another file"});
  log::error(failed);
  return static_cast<int>(result.gates_hold ? Exit::kDone : Exit::kBudget);
}

}  // namespace qc::app
