// What each subcommand takes and does. Paths and overrides only: everything else is in the core-config. See
// commands.h.
#include "commands.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>

#include "arguments.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"
#include "checks.h"
#include "compare.h"
#include "config/core_config.h"
#include "config_for.h"
#include "fix.h"
#include "frontier.h"
#include "inspect.h"
#include "inspect_tflite.h"
#include "pipeline.h"
#include "report/comparison_gates.h"
#include "report/difference.h"
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

// --- convert

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
  app.add_option("--set", line.sets, "one value of the config, may be repeated")
      ->allow_extra_args(false)
      ->type_name("/POINTER=VALUE");
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
  std::string config, calibration, keep, best = "size";
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
  app.add_option("--set", sets, "one value of the config, may be repeated")
      ->allow_extra_args(false)
      ->type_name("/POINTER=VALUE");
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

// --- looking at models

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

// --- what there is to know without a model

int targets_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert targets");
  std::string name;
  Talk talk;
  app.add_option("NAME", name,
                 "a target or a target file: print what it allows; without it list the targets");
  add_report(app, talk);
  set_help_page(app, "usage: qconvert targets [NAME|FILE.json] [--report json]", "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(talk, problems);
  if (!name.empty()) collect(problems, [&] { target::load(name); });
  problems.throw_if_errors(Exit::kUsage);
  if (!name.empty()) {
    const target::TargetSpec spec = target::load(name);
    print_to_stdout(talk.json() ? target::to_json(spec) : target::describe(spec));
    return 0;
  }
  std::vector<report::Row> rows;
  for (const std::string& shipped : target::shipped_names())
    rows.push_back({shipped, target::load(shipped).description});
  if (talk.json()) {
    std::vector<std::string> names;
    for (const std::string& shipped : target::shipped_names()) names.push_back(json_quoted(shipped));
    print_to_stdout("[" + join(names, ", ") + "]\n");
  } else {
    print_to_stdout(report::columns(rows, "ll", 0));
  }
  return 0;
}

int schema_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert schema");
  bool report = false;
  app.add_flag("--report", report, "the schema of the JSON report instead");
  set_help_page(app, "usage: qconvert schema [--report]", "");
  if (!parse(app, arguments)) return 0;
  print_to_stdout(report ? std::string(report::schema_json()) : config::schema_json());
  return 0;
}

int config_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert config");
  std::string file, model;
  std::vector<std::string> sets;
  app.add_option("--for", model, "an ONNX model: a config with comments that its inputs are filled into")
      ->type_name("MODEL.onnx");
  app.add_option("--config", file, "a config to complete: its values, and the defaults of the rest")
      ->type_name("CFG.json");
  app.add_option("--set", sets, "one value of the config, may be repeated")
      ->allow_extra_args(false)
      ->type_name("/POINTER=VALUE");
  set_help_page(app, "usage: qconvert config [--for MODEL.onnx | --config CFG.json] [--set /POINTER=VALUE]",
                "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  if (!model.empty() && (!file.empty() || !sets.empty()))
    problems.error({"usage", "--for", "it writes a config of its own",
                    "leave out --config and --set, and edit what it writes"});
  std::vector<config::Override> overrides;
  add_sets(sets, overrides, problems);
  if (!problems.errors.empty()) {
    ConvertOptions as_convert;
    as_convert.config = file;
    as_convert.overrides = overrides;
    check_config(as_convert, problems);
  }
  problems.throw_if_errors(Exit::kUsage);
  if (!model.empty()) {
    print_to_stdout(config_for(model));
    return 0;
  }
  if (file.empty() && overrides.empty()) {
    print_to_stdout(config::default_json());
    return 0;
  }
  Diagnostics diagnostics;
  const config::CoreConfig resolved = file.empty()
                                          ? config::parse("{}", "config.json", overrides, diagnostics)
                                          : config::load(file, overrides, diagnostics);
  for (const Problem& warning : diagnostics.warnings) log::warn(warning);
  print_to_stdout(config::to_json(resolved));
  return 0;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands{
      {"", "qconvert: float32 ONNX and a core-config to a quantized model and a report",
       "qconvert net.onnx --config quant.json -o build", convert_command},
      {"inspect", "layers, sizes, what a target could quantize; needs no images",
       "qconvert inspect net.quant.onnx", inspect_command},
      {"compare", "models on the same images: fidelity, accuracy, size, speed",
       "qconvert compare net.onnx net.quant.onnx --images eval --labels labels.csv --gate 'top1_drop <= 1'",
       compare_command},
      {"frontier", "size against error over choices of widths, and a conversion of what is picked",
       "qconvert frontier net.onnx --config quant.json -o build --pick '<= 2 MB'", frontier_command},
      {"survey", "every way of quantizing a model, measured, in one table",
       "qconvert survey net.onnx --config quant.json --images eval --labels labels.csv --best speed",
       survey_command},
      {"fix", "a model that is quantized already, by whatever tool: the same grid, small and fast",
       "qconvert fix net.qdq.onnx -o build", fix_command},
      {"targets", "list the targets and what they allow", "qconvert targets int8", targets_command},
      {"schema", "print the JSON schema of the core-config, or of the report", "qconvert schema",
       schema_command},
      {"config", "print a full config with every default", "qconvert config --for net.onnx > quant.json",
       config_command},
      {"doctor", "what this machine has: runtime, processor, formats, decoders", "qconvert doctor",
       doctor_command},
      {"completion", "print completion for a shell",
       "qconvert completion bash > ~/.local/share/bash-completion/completions/qconvert", completion_command},
      {"man", "print the manual page", "qconvert man | man -l -", man_command},
  };
  return kCommands;
}

const std::vector<ExitCode>& exit_codes() {
  static const std::vector<ExitCode> kCodes{{0, "done"},
                                            {1, "usage or config"},
                                            {2, "an input cannot be read"},
                                            {3, "not possible for this target or format"},
                                            {4, "an output cannot be written"},
                                            {5, "a gate failed"},
                                            {70, "a bug"},
                                            {130, "interrupted"}};
  return kCodes;
}

int run_command(const Arguments& arguments) {
  const std::string word = arguments.empty() ? "" : arguments.front();
  for (const Command& command : commands()) {
    if (!command.name.empty() && command.name == word) {
      set_example(command.example);
      return command.run(command, Arguments(arguments.begin() + 1, arguments.end()));
    }
  }
  set_example(commands().front().example);
  return commands().front().run(commands().front(), arguments);
}

}  // namespace qc::app
