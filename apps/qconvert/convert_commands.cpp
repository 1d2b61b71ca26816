// What the commands take and do that make files of a model: the conversion itself, frontier, fix, survey.
// Paths and overrides only: everything else is in the core-config.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>

#include "arguments.h"
#include "base/log.h"
#include "base/text.h"
#include "checks.h"
#include "commands.h"
#include "fix.h"
#include "frontier.h"
#include "pipeline.h"
#include "report/table.h"
#include "run/ort_runner.h"
#include "shared_options.h"
#include "survey.h"
#include "target/target.h"
#include "version.h"

namespace qc::app {
namespace {

std::string exit_code_lines() {
  std::vector<std::string> parts;
  for (const ExitCode& code : exit_codes()) parts.push_back(format("{} {}", code.number, code.meaning));
  const size_t half = (parts.size() + 1) / 2;
  const std::vector<std::string> first(parts.begin(), parts.begin() + half),
      rest(parts.begin() + half, parts.end());
  return format("\nexit codes: {};\n{}\n", join(first, "; "), join(rest, "; "));
}

std::string command_list() {
  std::vector<report::Row> rows;
  for (const Command& command : commands()) {
    if (!command.name.empty()) rows.push_back({command.name, command.sentence});
  }
  return "\nsubcommands (each has its own --help)\n" + report::columns(rows, "ll");
}

struct ConvertLine {
  ConvertOptions options;
  std::string model, config, images, target, formats, output = ".";
  std::vector<std::string> sets;
  bool version = false, keep_rejected = false;
  Talk talk;
};

// What is converted, and where results go. Returns the option of the model.
CLI::Option* add_inputs(CLI::App& app, ConvertLine& line) {
  CLI::Option* model = app.add_option("MODEL", line.model, "float32 ONNX model");
  app.add_option("--config", line.config, "core-config; without it all defaults")->type_name("CFG.json");
  app.add_option("--images", line.images, "calibration images (pictures, .npy, .npz or .pb)")
      ->type_name("DIR");
  return model;
}

void add_outputs(CLI::App& app, ConvertLine& line) {
  app.add_option("-o,--output", line.output, "folder for the written files (default: here)")
      ->type_name("DIR");
  add_set(app, line.sets);
  add_threads(app, line.options.threads);
}

void add_convert_options(CLI::App& app, ConvertLine& line) {
  add_inputs(app, line);
  app.add_option("--target", line.target, "what to quantize for: a name of 'qconvert targets' or a file")
      ->type_name("NAME|FILE.json");
  app.add_option("--format", line.formats, "formats to write: onnx, tflite, or both: onnx,tflite")
      ->type_name("LIST");
  add_outputs(app, line);
  app.add_option("--explain", line.options.explain, "why a node is as it is; * and ? match, may be repeated")
      ->allow_extra_args(false)
      ->type_name("NODE");
  app.add_flag("--diagnose", line.options.diagnose,
               "what each rounding costs: the error with it alone and with all others, in the report");
  app.add_flag(
      "--resume", line.options.resume,
      "keep corrected layers in DIR as <model>.resume, and go on from those that a stopped run left there");
  app.add_option("--dump", line.options.dump, "what a stage passes on: " + join(dump_stages(), ", "))
      ->allow_extra_args(false)
      ->type_name("STAGE");
  app.add_option("--depfile", line.options.depfile, "what was read, as a rule for make and ninja")
      ->type_name("FILE");
  app.add_option("--stamp", line.options.stamp, "gets the time of the run: the target of that rule")
      ->type_name("FILE");
  app.add_flag("--keep-rejected", line.keep_rejected, "a failed gate leaves the files, named *.rejected");
  app.add_flag("--dry-run", line.options.dry_run, "the plan only: no images are read, no files written");
  add_talk(app, line.talk, {"text", "json", "markdown", "html"},
           "json: to stdout instead of the text; markdown, html: files beside the JSON one; may be repeated");
  app.add_flag("--version", line.version, "versions of qconvert and ONNX Runtime");
}

// "qconvert inspec net.onnx" reads "inspec" as the model: say what was meant.
void refuse_mistyped_command(const std::string& word) {
  if (word.find_first_of("./") != std::string::npos || std::filesystem::exists(word)) return;
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  names.push_back("--version");
  const std::string meant = nearest(word, names);
  if (meant.empty()) return;
  const std::string remedy =
      meant == word ? format("put it first: qconvert {} ...", meant) : format("did you mean {}?", meant);
  throw Error(Exit::kUsage, {"unknown-command", "command line",
                             format("there is no model and no subcommand '{}' here", word), remedy});
}

ConvertOptions resolve(const ConvertLine& line, Diagnostics& problems) {
  ConvertOptions options = line.options;
  options.model = line.model;
  options.config = line.config;
  options.output_folder = line.output;
  options.markdown = line.talk.wants("markdown");
  options.html = line.talk.wants("html");
  options.time_written = !line.talk.quiet;
  add_sets(line.sets, options.overrides, problems);
  if (!line.images.empty()) options.overrides.push_back(images_override(line.images));
  if (!line.target.empty()) {
    options.overrides.push_back(
        {"/target_platform_capabilities", json_quoted(target_from_here(line.target))});
  }
  if (!line.formats.empty()) options.overrides.push_back(formats_override(line.formats, problems));
  if (line.keep_rejected) options.overrides.push_back({"/gates/keep_rejected", "true"});
  check_dry_run(options, problems);
  check_stages(options, problems);
  const size_t before = problems.errors.size();
  check_config(options, problems);
  if (problems.errors.size() > before && !line.target.empty())  // the config's may hide it
    collect(problems, [&] { target::load(target_from_here(line.target)); });
  return options;
}

int print_result(const ConvertResult& result, const Talk& talk) {
  // Dumps and explanations are what was asked for; beside a JSON report they would break the reader's parser.
  const std::string asked = result.dumped + result.explained;
  if (talk.json()) {
    if (!asked.empty()) log::warn(asked);
    for (const Problem& warning : result.report.warnings) log::warn(warning);
    print_to_stdout(report::to_json(result.report));
  } else {
    std::string text = asked + (asked.empty() ? "" : "\n") + report::to_text(result.report, talk.verbose);
    if (!result.written.empty()) text += "\n";
    for (const std::filesystem::path& path : result.written) {
      const bool same =
          std::find(result.unchanged.begin(), result.unchanged.end(), path) != result.unchanged.end();
      text += format("{}: {}\n", same ? "unchanged" : "written", path.string());
    }
    print_to_stdout(text);
    if (talk.log_format == "json")  // whose readers do not look at the text
      for (const Problem& warning : result.report.warnings) log::warn(warning);
  }
  std::vector<Problem> failed;
  for (const report::Gate& gate : result.report.gates)
    if (!gate.held)
      failed.push_back({"gate", "gate " + gate.name,
                        format("the bound is {:g}, measured {:g}", gate.bound, gate.figure),
                        result.report.hints.empty()
                            ? "set another bound"
                            : "set another bound, or see the report's hints for what brings it closer"});
  log::error(failed);
  return static_cast<int>(result.gates_hold ? Exit::kDone : Exit::kBudget);
}

}  // namespace

int convert_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert");
  ConvertLine line;
  add_convert_options(app, line);
  set_help_page(app, "usage: qconvert MODEL.onnx --config CFG.json [options]",
                command_list() + exit_code_lines());
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (!first.empty() && first[0] != '-') refuse_mistyped_command(first);
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  if (line.version && problems.errors.empty()) {
    print_to_stdout(format("qconvert {} (ONNX Runtime {})\n", qconvert_version(), run::runtime_version()));
    return 0;
  }
  if (!line.model.empty())
    refuse_mistyped_command(line.model);  // what else there is was meant for another command
  apply(line.talk, problems);
  need_model(line.model, self.example + "; 'qconvert --help' has more", problems);
  const ConvertOptions options = resolve(line, problems);
  problems.throw_if_errors(Exit::kUsage);
  return print_result(convert(options), line.talk);
}

int frontier_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert frontier");
  ConvertLine line;
  FrontierOptions options;
  add_inputs(app, line)->required();
  app.add_option("--pick", options.pick,
                 "convert the best choice that holds: '<= 2 MB' of constants, or 'sqnr >= 20' dB")
      ->type_name("BOUND");
  add_outputs(app, line);
  add_talk(app, line.talk);
  set_help_page(app, "usage: qconvert frontier MODEL.onnx --config CFG.json [--pick BOUND] [options]", "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(line.talk, problems);
  options.convert = resolve(line, problems);
  problems.throw_if_errors(Exit::kUsage);
  const FrontierResult result = frontier(options);
  if (result.converted) return print_result(*result.converted, line.talk);
  if (line.talk.json()) {
    print_to_stdout(report::to_json(result.frontier));
    return 0;
  }
  std::string text = report::to_text(result.frontier);
  for (const std::filesystem::path& path : result.written) text += format("written: {}\n", path.string());
  if (result.kept) text += "nothing has changed since this was measured\n";
  print_to_stdout(text);
  return 0;
}

int fix_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert fix");
  ConvertLine line;
  bool strip = false;
  add_convert_options(app, line);
  app.get_option("MODEL")->description("an ONNX model that is quantized already");
  app.add_flag("--strip", strip, "the float model behind the file instead of a quantized one");
  set_help_page(app, "usage: qconvert fix MODEL.onnx [--config CFG.json] [--format LIST] [--strip] [options]",
                "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(line.talk, problems);
  need_model(line.model, self.example, problems);
  const ConvertOptions options = resolve(line, problems);
  problems.throw_if_errors(Exit::kUsage);
  return print_result(fix(options, strip), line.talk);
}

int survey_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert survey");
  SurveyOptions options;
  std::string best = "size";
  std::vector<std::string> sets;
  Talk talk;
  app.add_option("MODEL", options.convert.model, "float32 ONNX model")->required();
  app.add_option("--config", options.convert.config, "core-config that every way starts from")
      ->type_name("CFG.json");
  app.add_option("--images", options.images,
                 "pictures to judge on (default: those that the config calibrates on)")
      ->type_name("DIR");
  app.add_option("--labels", options.labels, "CSV with the columns file,class_index: top-1")
      ->type_name("CSV");
  app.add_option("--label-offset", options.label_offset, "added to every class_index")->type_name("N");
  app.add_option("--best", best, "what comes first: size (default), speed or accuracy")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"size", "speed", "accuracy"}).description(""));
  app.add_option("--max-images", options.max_images, "judge on so many images (default: 200)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kMostCount).description(""));
  app.add_option("-o,--output", options.keep,
                 "folder for the models, a config of each, survey.json, survey.md and survey.svg (a plot)")
      ->type_name("DIR");
  add_set(app, sets);
  add_threads(app, options.convert.threads);
  add_talk(app, talk, {"text", "json", "markdown"}, "what goes to stdout: text (default), json or markdown");
  set_help_page(
      app, "usage: qconvert survey MODEL.onnx --config CFG.json [--labels CSV] [--best size|speed|accuracy]",
      "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(talk, problems);
  add_sets(sets, options.convert.overrides, problems);
  check_config(options.convert, problems);
  problems.throw_if_errors(Exit::kUsage);
  options.best = best == "size"    ? report::Best::kSize
                 : best == "speed" ? report::Best::kSpeed
                                   : report::Best::kAccuracy;
  const report::Survey found = survey(options);
  print_to_stdout(talk.json()              ? report::to_json(found)
                  : talk.wants("markdown") ? report::to_markdown(found)
                                           : report::to_text(found));
  return 0;
}

}  // namespace qc::app
