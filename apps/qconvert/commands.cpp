// The table of commands (commands.h), and those that say what there is to know without a model: targets,
// schema, config.
#include "commands.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "arguments.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "checks.h"
#include "config/core_config.h"
#include "config_for.h"
#include "report/report.h"
#include "report/table.h"
#include "shared_options.h"
#include "target/target.h"

namespace qc::app {

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
  add_set(app, sets);
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
                                            {5, "a gate failed, a goal was missed or a budget cannot be met"},
                                            {70, "a bug"},
                                            {130, "interrupted"}};
  return kCodes;
}

int run_command(const Arguments& arguments) {
  const std::string word = arguments.empty() ? "" : arguments.front();
  if (word == "help" && !std::filesystem::exists(word))  // "help inspect", as many programs have it
    return run_command(arguments.size() > 1 ? Arguments{arguments[1], "--help"} : Arguments{"--help"});
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
