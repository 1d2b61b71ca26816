// See shared_options.h.
#include "shared_options.h"

#include <filesystem>

#include "arguments.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"

namespace qc::app {
namespace {

// All wrong forms at once, each with what was meant.
void check_forms(const Talk& talk, Diagnostics& diagnostics) {
  for (const std::string& form : talk.reports) {
    if (std::find(talk.forms.begin(), talk.forms.end(), form) != talk.forms.end()) continue;
    const std::string meant = nearest(form, talk.forms);
    diagnostics.error(
        {"unknown-report", "--report " + form, "there is no such form of this report",
         meant.empty() ? "use one of " + join(talk.forms, ", ") : format("did you mean {}?", meant)});
  }
  if (talk.log_format != "text" && talk.log_format != "json")
    diagnostics.error({"unknown-log-format", "--log-format " + talk.log_format, "there is no such format",
                       "use --log-format text or --log-format json"});
}

std::string absolute_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

void add_report(CLI::App& app, Talk& talk, const Forms& forms, const char* sentence) {
  talk.forms = forms;
  app.add_option("--report", talk.reports, sentence)->allow_extra_args(false)->type_name("FORM");
}

void add_talk(CLI::App& app, Talk& talk, const Forms& forms, const char* sentence) {
  add_report(app, talk, forms, sentence);
  CLI::Option* verbose = app.add_flag("-v,--verbose", talk.verbose, "more lines, uncut lists, timings");
  app.add_flag("-q,--quiet", talk.quiet, "warnings and errors only on stderr; a written file is not timed")
      ->excludes(verbose);
  app.add_flag("--no-progress", talk.no_progress, "no progress bar");
  app.add_option("--log-format", talk.log_format,
                 "lines on stderr: text (default), or json, one object a line")
      ->type_name("STYLE");
}

void apply(const Talk& talk, Diagnostics& problems) {
  check_forms(talk, problems);
  log::set_level(talk.quiet ? log::Level::kQuiet : talk.verbose ? log::Level::kVerbose : log::Level::kNormal);
  const ProgressStyle style = talk.log_format == "json" ? ProgressStyle::kPlain : default_progress_style();
  set_progress_style(talk.quiet || talk.no_progress ? ProgressStyle::kNone : style);
}

void add_threads(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "processors to use (default: all)")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
}

std::string target_from_here(const std::string& target) {
  return target.ends_with(".json") ? absolute_path(target) : target;
}

config::Override images_override(const std::string& folder) {
  return {"/representative_dataset/path", json_quoted(absolute_path(folder))};
}

config::Override formats_override(const std::string& list, Diagnostics& problems) {
  std::vector<std::string> formats;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    begin = end + 1;
    if (name == "onnx" || name == "tflite")
      formats.push_back(json_quoted(name));
    else
      problems.error({"unknown-format", "--format " + list, format("'{}' is not a format", name),
                      "use --format onnx, --format tflite or --format onnx,tflite"});
  }
  return {"/output/formats", formats.empty() ? "[\"onnx\"]" : "[" + join(formats, ",") + "]"};
}

void add_set(CLI::App& app, std::vector<std::string>& sets) {
  app.add_option("--set", sets, "one value of the config, may be repeated")
      ->allow_extra_args(false)
      ->type_name("/POINTER=VALUE");
}

void add_sets(const std::vector<std::string>& sets, std::vector<config::Override>& overrides,
              Diagnostics& problems) {
  for (const std::string& set : sets)
    collect(problems, [&] { overrides.push_back(config::parse_override(set)); });
}

}  // namespace qc::app
