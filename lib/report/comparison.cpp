// See comparison.h.
#include "report/comparison.h"

#include "base/text.h"
#include "report/json_values.h"
#include "report/table.h"

namespace qc::report {
namespace {

using nlohmann::json;

constexpr size_t kNameWidth = 44;

std::string percent(double share) {
  return figure(share * 100, 2) + " %";
}

std::string files(const Comparison& c) {
  const double ratio = c.size_a > 0 ? static_cast<double>(c.size_b) / static_cast<double>(c.size_a) : 0;
  std::vector<Row> rows{{"", "file", "size"},
                        {"A", file_name(c.model_a), human_bytes(static_cast<double>(c.size_a))},
                        {"B", file_name(c.model_b), human_bytes(static_cast<double>(c.size_b)),
                         format("{} of A", figure(ratio, 3))}};
  if (c.latency) {
    rows[0].insert(rows[0].end(), {"", "one thread"});
    rows[1].insert(rows[1].end(), {"", figure(c.latency->a_ms, 2) + " ms"});
    rows[2].insert(rows[2].end(),
                   {figure(c.latency->b_ms, 2) + " ms", figure(c.latency->speed, 2) + " x as fast"});
  }
  return columns(rows, "llrlrl", 0);
}

std::string outputs(const Comparison& c) {
  std::vector<Row> rows{
      {format("B against A, {}", counted(c.images, "image")), "SQNR", "cosine", "largest error"}};
  for (const ComparedOutput& output : c.outputs) {
    std::string name = "  " + shorten(output.output, kNameWidth);
    if (output.output_b != output.output) name += " / " + shorten(output.output_b, kNameWidth);
    rows.push_back({name + (output.before_softmax ? " (logits)" : ""), decibel(output.sqnr_db),
                    figure(output.cosine, 5), format("{:.4g}", output.max_abs_error)});
  }
  return "\n" + columns(rows, "lrrr", 0);
}

std::string classes(const Comparison& c) {
  std::string text;
  if (c.agreement) text += format("  same top-1 class: {}\n", percent(*c.agreement));
  if (!c.labelled) return text;
  const LabelledAccuracy& l = *c.labelled;
  const std::vector<Row> rows{{format("accuracy, {}", counted(l.images, "labelled image")), "top-1", "top-5"},
                              {"  A", percent(l.top1_a), percent(l.top5_a)},
                              {"  B", percent(l.top1_b), percent(l.top5_b)}};
  text += "\n" + columns(rows, "lrr", 0);
  text += format(
      "  top-1 of B minus A: {:+.2f} points, 95 % interval [{:+.2f}, {:+.2f}]; only A right {}, only B right "
      "{}\n",
      l.difference * 100, l.difference_low * 100, l.difference_high * 100, l.only_a_right, l.only_b_right);
  return text;
}

json latency_value(const std::optional<Latency>& latency) {
  if (!latency) return nullptr;
  return {{"rounds", latency->rounds},
          {"a_ms", number(latency->a_ms)},
          {"b_ms", number(latency->b_ms)},
          {"speed", number(latency->speed)}};
}

json labelled_value(const std::optional<LabelledAccuracy>& labelled) {
  if (!labelled) return nullptr;
  return {{"images", labelled->images},
          {"top1_a", number(labelled->top1_a)},
          {"top1_b", number(labelled->top1_b)},
          {"top5_a", number(labelled->top5_a)},
          {"top5_b", number(labelled->top5_b)},
          {"only_a_right", labelled->only_a_right},
          {"only_b_right", labelled->only_b_right},
          {"top1_difference", number(labelled->difference)},
          {"top1_difference_low", number(labelled->difference_low)},
          {"top1_difference_high", number(labelled->difference_high)}};
}

}  // namespace

std::string to_text(const Comparison& c) {
  std::string text = files(c) + outputs(c) + classes(c);
  if (!c.preprocessing.empty()) text += format("\npreprocessing: {}\n", c.preprocessing);
  if (!c.notes.empty()) text += "\nnotes\n";
  for (const std::string& note : c.notes) text += format("  {}\n", note);
  return text;
}

std::string to_json(const Comparison& c) {
  json outputs = json::array();
  for (const ComparedOutput& output : c.outputs) {
    outputs.push_back({{"output", output.output},
                       {"output_b", output.output_b},
                       {"sqnr_db", number(output.sqnr_db)},
                       {"exact", output.sqnr_db >= kExactDb},
                       {"cosine", number(output.cosine)},
                       {"max_abs_error", number(output.max_abs_error)},
                       {"before_softmax", output.before_softmax}});
  }
  const double ratio = c.size_a > 0 ? static_cast<double>(c.size_b) / static_cast<double>(c.size_a) : 0;
  return print({{"schema_version", 1},
                {"a", {{"file", file_name(c.model_a)}, {"size", c.size_a}}},
                {"b", {{"file", file_name(c.model_b)}, {"size", c.size_b}}},
                {"size_ratio", number(ratio)},
                {"images", c.images},
                {"preprocessing", c.preprocessing},
                {"outputs", outputs},
                {"agreement", c.agreement ? number(*c.agreement) : json(nullptr)},
                {"labelled", labelled_value(c.labelled)},
                {"latency", latency_value(c.latency)},
                {"notes", c.notes}});
}

}  // namespace qc::report
