// The comparison as text for people and as JSON. See comparison.h.
#include "report/comparison.h"

#include <algorithm>
#include <cmath>

#include "base/decibels.h"
#include "base/text.h"
#include "report/json_values.h"
#include "report/page.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr size_t kNameWidth = 44;

std::string percent(double share) {
  return human_share(share, 2);
}

double ratio(int64_t size, int64_t of) {
  return of > 0 ? static_cast<double>(size) / static_cast<double>(of) : 0;
}

std::string bytes(int64_t size) {
  return human_bytes(static_cast<double>(size));
}

std::vector<std::string> names_of(const std::vector<ComparedModel>& models) {
  std::vector<std::string> paths;
  for (const ComparedModel& model : models) paths.push_back(model.file);
  return file_names(paths);
}

// --- text

std::string files(const std::vector<ComparedModel>& models) {
  const ComparedModel& a = models[0];
  std::vector<Row> rows{{"", "file", "size", "of A", "zlib -6", "of A", "peak memory"}};
  const std::vector<std::string> names = names_of(models);
  for (size_t i = 0; i < models.size(); ++i) {
    const ComparedModel& model = models[i];
    const bool first = i == 0;
    rows.push_back({model.letter, shorten(names[i], kNameWidth), bytes(model.size),
                    first ? "" : human_ratio(ratio(model.size, a.size), 3), bytes(model.compressed_size),
                    first ? "" : human_ratio(ratio(model.compressed_size, a.compressed_size), 3),
                    model.peak_memory ? bytes(*model.peak_memory) : "-"});
  }
  return columns(rows, "llrrrrr", 0);
}

std::string milliseconds(double value) {
  return human_ratio(value, value < 10 ? 3 : value < 100 ? 2 : 1);
}

std::string speed(const std::vector<ComparedModel>& models, std::optional<Latency> ComparedModel::*which) {
  const auto timed = std::find_if(models.begin(), models.end(),
                                  [&](const ComparedModel& model) { return (model.*which).has_value(); });
  if (timed == models.end()) return "";
  const Latency& any = *((*timed).*which);
  std::vector<Row> rows{
      {format("one inference, {}, {} by turns", counted(any.threads, "thread"), counted(any.rounds, "round")),
       "median", "middle half", "against A"}};
  for (const ComparedModel& model : models) {
    if (!(model.*which)) {
      rows.push_back({"  " + model.letter, "-", "", "not timed: no runtime for it here"});
      continue;
    }
    const Latency& latency = *(model.*which);
    rows.push_back(
        {"  " + model.letter, milliseconds(latency.median_ms) + " ms",
         format("{} .. {} ms", milliseconds(latency.low_ms), milliseconds(latency.high_ms)),
         &model == &models[0] || !(models[0].*which) ? "" : human_ratio(latency.speedup) + " x as fast"});
  }
  return "\n" + columns(rows, "lrrl", 0);
}

std::string outputs(const ComparedModel& model, const std::string& images) {
  std::vector<Row> rows{
      {format("{} against A, {}", model.letter, images), "SQNR", "cosine", "largest error"}};
  for (const ComparedOutput& output : model.outputs) {
    std::string name = "  " + shorten(output.output, kNameWidth);
    if (output.own_name != output.output) name += " / " + shorten(output.own_name, kNameWidth);
    rows.push_back({name + judged_place(output.before_softmax, output.before_op), decibel(output.sqnr_db),
                    figure(output.cosine, 5), format("{:.4g}", output.max_abs_error)});
    for (const PartAccuracy& part : output.parts)
      rows.push_back({"    " + part.part, decibel(part.sqnr_db), figure(part.cosine, 5), ""});
  }
  std::string text = "\n" + columns(rows, "lrrr", 0);
  if (model.agreement) text += format("  same top-1 class: {}\n", percent(*model.agreement));
  return text;
}

std::string accuracy(const std::vector<ComparedModel>& models) {
  std::vector<Row> rows;
  for (const ComparedModel& model : models) {
    if (!model.labelled) continue;
    const LabelledAccuracy& l = *model.labelled;
    if (rows.empty()) {
      rows.push_back({format("accuracy, {}", counted(l.images, "labelled image")), "top-1", "top-5",
                      "top-1 minus A's (95 % interval)", "only A right", "only this"});
      rows.push_back({"  A", percent(l.top1_a), percent(l.top5_a), "", "", ""});
    }
    rows.push_back({"  " + model.letter, percent(l.top1), percent(l.top5),
                    format("{:+.2f} points [{:+.2f}, {:+.2f}]", l.difference * 100, l.difference_low * 100,
                           l.difference_high * 100),
                    std::to_string(l.only_a_right), std::to_string(l.only_this_right)});
  }
  return rows.empty() ? "" : "\n" + columns(rows, "lrrrrr", 0);
}

std::string by_class(const std::vector<ComparedModel>& models) {
  std::string text;
  for (const ComparedModel& model : models) {
    if (model.classes.empty()) continue;
    std::vector<ClassAccuracy> classes = model.classes;
    const auto lost = [](const ClassAccuracy& c) { return c.right_a - c.right; };
    std::stable_sort(classes.begin(), classes.end(),
                     [&](const ClassAccuracy& x, const ClassAccuracy& y) { return lost(x) > lost(y); });
    std::vector<Row> rows{{format("{} by class, most lost first", model.letter), "images", "A right",
                           model.letter + " right", "difference"}};
    for (const ClassAccuracy& c : classes)
      rows.push_back({format("  class {}", c.class_index), std::to_string(c.images),
                      std::to_string(c.right_a), std::to_string(c.right), format("{:+d}", -lost(c))});
    text += "\n" + columns(rows, "lrrrr", 0);
  }
  return text;
}

std::string gates(const std::vector<ComparedGate>& all) {
  std::vector<Row> rows{{"gates", "model", "figure", ""}};
  for (const ComparedGate& gate : all)
    rows.push_back(
        {"  " + gate.text, gate.letter, format("{:.6g}", gate.figure), gate.held ? "held" : "NOT HELD"});
  return all.empty() ? "" : "\n" + columns(rows, "llrl", 0);
}

// --- JSON

json latency_value(const std::optional<Latency>& latency) {
  if (!latency) return nullptr;
  return {{"threads", latency->threads},
          {"rounds", latency->rounds},
          {"median_ms", number(latency->median_ms)},
          {"low_ms", number(latency->low_ms)},
          {"high_ms", number(latency->high_ms)},
          {"speedup", number(latency->speedup)}};
}

json labelled_value(const std::optional<LabelledAccuracy>& labelled) {
  if (!labelled) return nullptr;
  return {{"images", labelled->images},
          {"top1_a", number(labelled->top1_a)},
          {"top1", number(labelled->top1)},
          {"top5_a", number(labelled->top5_a)},
          {"top5", number(labelled->top5)},
          {"only_a_right", labelled->only_a_right},
          {"only_this_right", labelled->only_this_right},
          {"top1_difference", number(labelled->difference)},
          {"top1_difference_low", number(labelled->difference_low)},
          {"top1_difference_high", number(labelled->difference_high)}};
}

json against_a(const ComparedModel& model) {
  json rows = json::array(), classes = json::array();
  for (const ComparedOutput& output : model.outputs) {
    rows.push_back({{"output", output.output},
                    {"own_name", output.own_name},
                    {"sqnr_db", number(output.sqnr_db)},
                    {"exact", output.sqnr_db >= kExactDb},
                    {"cosine", number(output.cosine)},
                    {"max_abs_error", number(output.max_abs_error)},
                    {"before_softmax", output.before_softmax},
                    {"before_op", output.before_op.empty() ? json(nullptr) : json(output.before_op)},
                    {"judged_at", output.judged_at},
                    {"parts", parts_value(output.parts)}});
  }
  for (const ClassAccuracy& c : model.classes)
    classes.push_back(
        {{"class_index", c.class_index}, {"images", c.images}, {"right_a", c.right_a}, {"right", c.right}});
  return {{"outputs", rows},
          {"agreement", model.agreement ? number(*model.agreement) : json(nullptr)},
          {"labelled", labelled_value(model.labelled)},
          {"classes", classes}};
}

json model_value(const ComparedModel& model, const std::string& name, const ComparedModel& a) {
  return {
      {"name", model.letter},
      {"file", name},
      {"size", model.size},
      {"size_ratio", number(ratio(model.size, a.size))},
      {"compressed_size", model.compressed_size},
      {"compressed_ratio", number(ratio(model.compressed_size, a.compressed_size))},
      {"peak_memory", model.peak_memory ? json(*model.peak_memory) : json(nullptr)},
      {"latency",
       {{"one_thread", latency_value(model.one_thread)}, {"all_threads", latency_value(model.all_threads)}}},
      {"against_a", &model == &a ? json(nullptr) : against_a(model)}};
}

json to_document(const Comparison& c) {
  json models = json::array(), judged = json::array();
  const std::vector<std::string> names = names_of(c.models);
  for (size_t i = 0; i < names.size(); ++i) models.push_back(model_value(c.models[i], names[i], c.models[0]));
  for (const ComparedGate& gate : c.gates)
    judged.push_back(
        {{"gate", gate.text}, {"model", gate.letter}, {"figure", number(gate.figure)}, {"held", gate.held}});
  return {{"schema_version", 2},
          {"models", models},
          {"images", c.images},
          {"unit", c.unit},
          {"preprocessing", c.preprocessing},
          {"gates", judged},
          {"notes", c.notes}};
}

}  // namespace

std::string doubt_of(const LabelledAccuracy& labelled) {
  constexpr int64_t kFew = 2;         // images; one may be wrong by chance
  constexpr double kMoreThan = 0.05;  // of the way from guessing to being right always
  if (labelled.images < kFew || labelled.classes < 2) return "";
  const double guess = 1 / static_cast<double>(labelled.classes);
  if (labelled.top1_a >= guess + kMoreThan * (1 - guess)) return "";
  return format(
      "float is right on {} of {}, hardly more than guesses among {} classes would be: the labels may "
      "be of other images",
      percent(labelled.top1_a), counted(labelled.images, "labelled image"), labelled.classes);
}

std::string to_text(const Comparison& c) {
  std::string text = files(c.models) + speed(c.models, &ComparedModel::one_thread) +
                     speed(c.models, &ComparedModel::all_threads);
  for (size_t i = 1; i < c.models.size(); ++i) text += outputs(c.models[i], counted(c.images, c.unit));
  text += accuracy(c.models) + by_class(c.models) + gates(c.gates);
  if (!c.preprocessing.empty())
    text += format("\n{}: {}\n", c.unit == "image" ? "preprocessing" : c.unit + "s", c.preprocessing);
  if (!c.notes.empty()) text += "\nnotes\n";
  for (const std::string& note : c.notes) text += format("  {}\n", note);
  return text;
}

std::string to_json(const Comparison& c) {
  return print(to_document(c));
}

std::string to_html(const Comparison& c) {
  return page("comparison", file_name(c.models[0].file) + " compared", to_document(c), nullptr);
}

}  // namespace qc::report
