// The report for the summary page of a CI step: made from the JSON document, so the two cannot disagree.
// Tables stay short; everything else is in the JSON and HTML reports.
#include <algorithm>

#include "base/text.h"
#include "report/document.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr size_t kWorstLayers = 5;

std::string text_of(const json& value) {
  if (value.is_null()) return "-";  // not measured
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Names come from models: nothing of them may end a cell or begin markup.
std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      safe += ' ';
      continue;
    }
    if (std::string_view("\\`*_{}[]<>|#~").find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string bytes_cell(const json& bytes) {
  return human_bytes(bytes.get<double>());
}

std::string db_cell(const json& value) {
  return value.is_null() ? "-" : decibel(value.get<double>());
}

std::string row(const std::vector<std::string>& cells) {
  return "| " + join(cells, " | ") + " |\n";
}

std::string head(const json& report) {
  size_t failed = 0;
  const json& gates = report["gates"];
  for (const json& gate : gates) failed += !gate["held"].get<bool>();
  std::string text =
      format("### {} \u2192 {}\n\n", cell(text_of(report["model"]["file"])), cell(text_of(report["target"])));
  if (gates.empty()) return text + "No gates are set.\n";
  const std::string all = counted(static_cast<int64_t>(gates.size()), "gate");
  if (failed > 0) return text + format("\u274c {} of {} not held.\n", failed, all);
  return text + (gates.size() == 1 ? "\u2705 The gate holds.\n" : format("\u2705 All {} hold.\n", all));
}

std::string files(const json& report) {
  if (report["files"].empty()) return "";
  std::string text = "\n| file | before | after | of float |\n|---|--:|--:|--:|\n";
  for (const json& file : report["files"]) {
    const json& ratio = file["ratio"];
    text += row({cell(text_of(file["file"])), bytes_cell(report["model"]["size"]), bytes_cell(file["size"]),
                 ratio.is_null() ? "-" : human_share(ratio.get<double>())});
  }
  return text;
}

std::string cosine_cell(const json& cosine) {
  return cosine.is_null() ? "-" : figure(cosine.get<double>(), 5);
}

std::string accuracy(const json& report) {
  const json& accuracy = report["accuracy"];
  if (accuracy.is_null()) return "";
  const bool ran = !accuracy["integer"].empty();
  std::string text = format(
      "\n| output, {} | SQNR | cosine |\n|---|--:|--:|\n",
      judged_images(accuracy["images"].get<int64_t>(), report["calibration"]["held_out"].get<int64_t>() > 0,
                    report["calibration"]["unit"].get<std::string>()));
  for (const json& output : accuracy[ran ? "integer" : "simulated"]) {
    const json& before = output["before_op"];
    text += row({cell(text_of(output["output"])) +
                     judged_place(output["before_softmax"].get<bool>(),
                                  before.is_null() ? std::string() : before.get<std::string>()),
                 db_cell(output["sqnr_db"]), cosine_cell(output["cosine"])});
    for (const json& part : output["parts"])
      text += row(
          {cell("its part " + text_of(part["part"])), db_cell(part["sqnr_db"]), cosine_cell(part["cosine"])});
  }
  if (!accuracy["agreement"].is_null())
    text += format("\nSame top-1 class as float: {}\n", human_share(accuracy["agreement"].get<double>()));
  return text;
}

std::string gates(const json& report) {
  if (report["gates"].empty()) return "";
  std::string text = "\n| gate | bound | measured | |\n|---|--:|--:|---|\n";
  for (const json& gate : report["gates"])
    text += row({cell(text_of(gate["name"])), text_of(gate["bound"]), text_of(gate["figure"]),
                 gate["held"].get<bool>() ? "holds" : "**not held**"});
  return text;
}

std::string resources(const json& report) {
  if (report["resources"].empty()) return "";
  std::string text = "\n| budget | allowed | taken |\n|---|--:|--:|\n";
  for (const json& one : report["resources"]) {
    const auto amount = [&](const json& figure) {
      if (figure.is_null()) return std::string("-");
      return one["name"] == "bops" ? format("{:.4g}", figure.get<double>())
                                   : human_bytes(figure.get<double>());
    };
    text += row({cell(text_of(one["name"])), amount(one["allowed"]), amount(one["taken"])});
  }
  return text;
}

std::string frontier(const json& report) {
  if (report["frontier"].size() < 2) return "";
  // By time where floats were weighed against integers, by bytes where widths were.
  const bool timed = !report["frontier"].front()["time"].is_null();
  std::string text = format("\n| what could be had | {} | worst output | |\n|---|--:|--:|---|\n",
                            timed ? "time, float = 1" : "constants");
  for (const json& point : report["frontier"]) {
    const json& figure = point[timed ? "time" : "bytes"];
    text += row({cell(text_of(point["name"])),
                 figure.is_null() ? "-"
                 : timed          ? human_ratio(figure.get<double>())
                                  : human_bytes(figure.get<double>()),
                 db_cell(point["sqnr_db"]), point["chosen"].get<bool>() ? "chosen" : ""});
  }
  return text;
}

std::string stayed_float(const json& report) {
  if (report["nodes"].empty()) return "";
  const json& sums = report["coverage"];
  std::string text = format("\nInteger kernels: {} of {} layers with weights, {} of {} nodes.\n",
                            text_of(sums["weighted_on_integer_kernels"]), text_of(sums["weighted_nodes"]),
                            text_of(sums["on_integer_kernels"]), text_of(sums["nodes"]));
  if (report["stayed_float"].empty()) return text;
  text += "\n| stayed float | why |\n|--:|---|\n";
  for (const json& group : report["stayed_float"])
    text += row({text_of(group["count"]), cell(text_of(group["reason"]))});
  return text;
}

std::string worst_layers(const json& report) {
  std::vector<const json*> measured;
  for (const json& node : report["nodes"])
    if (!node["sqnr_db"].is_null()) measured.push_back(&node);
  if (measured.empty()) return "";
  std::stable_sort(measured.begin(), measured.end(), [](const json* a, const json* b) {
    return (*a)["sqnr_db"].get<double>() < (*b)["sqnr_db"].get<double>();
  });
  measured.resize(std::min(measured.size(), kWorstLayers));
  std::string text = "\n| layers that hurt most | op | SQNR |\n|---|---|--:|\n";
  for (const json* node : measured)
    text +=
        row({cell(text_of((*node)["node"])), cell(text_of((*node)["op_type"])), db_cell((*node)["sqnr_db"])});
  return text;
}

std::string remarks(const json& report) {
  std::string text;
  for (const json& warning : report["warnings"]) {
    text += format("- \u26a0\ufe0f {}: {}", cell(text_of(warning["place"])), cell(text_of(warning["cause"])));
    const std::string remedy = text_of(warning["remedy"]);
    text += remedy.empty() ? "\n" : format(" Remedy: {}\n", cell(remedy));
  }
  for (const json& note : report["notes"]) text += format("- {}\n", cell(text_of(note)));
  return text.empty() ? "" : "\n" + text;
}

}  // namespace

std::string to_markdown(const Report& report) {
  const json document = to_document(report);
  return head(document) + gates(document) + files(document) + accuracy(document) + resources(document) +
         frontier(document) + stayed_float(document) + worst_layers(document) + remarks(document) +
         format("\nqconvert {}, ONNX Runtime {}\n", cell(text_of(document["qconvert_version"])),
                cell(text_of(document["runtime_version"])));
}

}  // namespace qc::report
