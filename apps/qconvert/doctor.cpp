// `qconvert doctor`: what a bug report or a puzzled user needs to know about this machine.
#include <CLI/CLI.hpp>

#include <algorithm>

#include "arguments.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/processor.h"
#include "base/text.h"
#include "commands.h"
#include "images/listing.h"
#include "prepare.h"
#include "report/table.h"
#include "run/ort_runner.h"
#include "shared_options.h"
#include "target/target.h"
#include "version.h"

namespace qc::app {
namespace {

struct Finding {
  std::string name, key, value;
};

std::vector<Finding> findings() {
  const Processor processor = this_processor();
  std::vector<std::string> has, lacks;
  for (const auto& [feature, there] : processor.features) (there ? has : lacks).push_back(feature);
  return {{"qconvert", "qconvert", qconvert_version()},
          {"ONNX Runtime", "onnxruntime", run::runtime_version()},
          {"newest opset", "newest_opset", std::to_string(run::newest_opset(onnx_codec()))},
          {"processor", "processor", processor.architecture},
          {"  has", "processor_has", has.empty() ? "-" : join(has, ", ")},
          {"  has not", "processor_lacks", lacks.empty() ? "-" : join(lacks, ", ")},
          {"  so", "processor_means", meaning_of(processor)},
          {"threads", "threads", std::to_string(available_threads())},
          {"reads", "reads", "onnx (with external data); compare and inspect: tflite"},
          {"writes", "writes", "onnx (QDQ), tflite"},
          {"targets", "targets", join(target::shipped_names(), ", ")},
          {"pictures", "pictures", join(images::known_endings(true), " ")},
          {"tensors", "tensors", join(images::known_endings(false), " ")}};
}

}  // namespace

int doctor_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert doctor");
  bool json = false;
  Talk talk;
  add_report(app, talk);
  app.add_flag("--json", json, "the same as --report json");
  set_help_page(app, "usage: qconvert doctor [--report json]", "");
  Diagnostics problems;
  if (!parse(app, arguments, problems)) return 0;
  apply(talk, problems);
  problems.throw_if_errors(Exit::kUsage);
  json |= talk.json();
  std::vector<report::Row> rows;
  std::vector<std::string> members;
  for (const Finding& finding : findings()) {
    rows.push_back({finding.name, finding.value});
    members.push_back(format("  {}: {}", json_quoted(finding.key), json_quoted(finding.value)));
  }
  print_to_stdout(json ? "{\n" + join(members, ",\n") + "\n}\n" : report::columns(rows, "ll", 0));
  return 0;
}

}  // namespace qc::app
