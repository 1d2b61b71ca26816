// See comparison_gates.h.
#include "report/comparison_gates.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace qc::report {
namespace {

using Figure = std::optional<double>;

double worst_output(const ComparedModel& model, double ComparedOutput::*field, bool largest) {
  double worst = largest ? 0 : INFINITY;
  for (const ComparedOutput& output : model.outputs) {
    const double value = output.*field;
    if (std::isnan(value)) return value;  // the worst of all
    worst = largest ? std::max(worst, value) : std::min(worst, value);
  }
  return worst;
}

double worst_db(const ComparedModel& model) {
  double worst = worst_output(model, &ComparedOutput::sqnr_db, false);
  for (const ComparedOutput& output : model.outputs)
    for (const PartAccuracy& part : output.parts) worst = std::min(worst, part.sqnr_db);
  return worst;
}

Figure ratio(double value, double of) {
  return of > 0 ? Figure(value / of) : std::nullopt;
}

Figure labelled(const ComparedModel& model, double (*value)(const LabelledAccuracy&)) {
  return model.labelled ? Figure(value(*model.labelled)) : std::nullopt;
}

Figure timed(const std::optional<Latency>& latency, double Latency::*field) {
  return latency ? Figure((*latency).*field) : std::nullopt;
}

// Speed is a ratio: without A's time there is none.
Figure speedup(const std::optional<Latency>& a, const std::optional<Latency>& own) {
  return a ? timed(own, &Latency::speedup) : std::nullopt;
}

struct Suffix {
  const char* text;
  Unit unit;
  double factor;
};
constexpr Suffix kSuffixes[] = {
    {"dB", Unit::kDecibel, 1}, {"%", Unit::kShare, 0.01},     {"points", Unit::kPoints, 1},
    {"%", Unit::kPoints, 1},   {"B", Unit::kBytes, 1},        {"kB", Unit::kBytes, 1e3},
    {"MB", Unit::kBytes, 1e6}, {"GB", Unit::kBytes, 1e9},     {"x", Unit::kTimes, 1},
    {"%", Unit::kTimes, 0.01}, {"ms", Unit::kMilliseconds, 1}};

struct Sign {
  const char* text;
  Relation relation;
};
// The longer ones first: "<" begins "<=".
constexpr Sign kSigns[] = {
    {"<=", Relation::kAtMost}, {">=", Relation::kAtLeast}, {"<", Relation::kBelow}, {">", Relation::kAbove}};

struct Remedy {
  Needs needs;
  const char *cause, *remedy;
};
constexpr Remedy kRemedies[] = {
    {Needs::kLabels, "it needs labelled images of a classifier", "add --labels CSV"},
    {Needs::kTiming, "it needs timed runs, and .tflite files are not timed",
     "leave out --latency-rounds 0, and compare ONNX files"},
    {Needs::kAllThreads, "it needs timed runs on more than one thread",
     "leave out --latency-rounds 0 and --threads 1, and compare ONNX files"},
    {Needs::kClassifier, "the models are no classifiers (one output, one score a class)",
     "use sqnr_db or cosine for such models"},
    {Needs::kMemory, "it is measured beside timed runs, for ONNX files, on Linux only",
     "leave out --latency-rounds 0, or use size instead"},
    {Needs::kNothing, "A has no bytes to compare with", "use the metric without _ratio"}};

const Remedy& remedy_of(const Metric& metric) {
  return *std::find_if(std::begin(kRemedies), std::end(kRemedies),
                       [&](const Remedy& one) { return one.needs == metric.needs; });
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? ""
                                    : std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : metrics()) names.push_back(metric.name);
  return names;
}

// The number with its unit, or nothing.
Figure amount(const std::string& text, Unit unit) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  const std::string suffix = trimmed(std::string_view(end, text.data() + text.size()));
  if (suffix.empty()) return value;
  for (const Suffix& one : kSuffixes)
    if (one.unit == unit && suffix == one.text) return value * one.factor;
  return std::nullopt;
}

std::string units_of(Unit unit) {
  std::vector<std::string> texts;
  for (const Suffix& one : kSuffixes)
    if (one.unit == unit) texts.push_back(one.text);
  return texts.empty() ? "a number" : "a number, with " + join(texts, ", ") + " or nothing behind it";
}

Problem unknown_metric(const std::string& place, const std::string& name) {
  const std::string meant = nearest(name, metric_names());
  return {"unknown-metric", place, format("there is no metric '{}'", name),
          meant.empty() ? "use one of " + join(metric_names(), ", ") : format("did you mean {}?", meant)};
}

Bound parse_gate(const std::string& text, Diagnostics& diagnostics) {
  const std::string place = "--gate '" + text + "'";
  for (const Sign& sign : kSigns) {
    const size_t at = text.find(sign.text);
    if (at == std::string::npos) continue;
    const std::string name = trimmed(std::string_view(text).substr(0, at)),
                      value = trimmed(std::string_view(text).substr(at + std::string_view(sign.text).size()));
    const auto metric =
        std::find_if(metrics().begin(), metrics().end(), [&](const Metric& one) { return name == one.name; });
    if (metric == metrics().end()) {
      diagnostics.error(unknown_metric(place, name));
      return {};
    }
    const Figure bound = amount(value, metric->unit);
    if (!bound)
      diagnostics.error({"bad-gate", place, format("'{}' is no bound for {}", value, name),
                         "write " + units_of(metric->unit)});
    else if (metric->unit == Unit::kShare && (*bound < 0 || *bound > 1))
      diagnostics.error({"bad-gate", place,
                         format("{} is a share from 0 to 1, and never reaches {:g}", name, *bound),
                         "write it as a share, such as 0.98, or with % behind it"});
    return {&*metric, sign.relation, bound.value_or(0), format("{} {} {}", name, sign.text, value)};
  }
  diagnostics.error({"bad-gate", place, "it compares nothing",
                     "write a metric, one of <= >= < >, and a number, such as 'top1_drop <= 1'"});
  return {};
}

bool holds(const Bound& bound, double figure) {
  switch (bound.relation) {
    case Relation::kAtMost:
      return figure <= bound.bound;
    case Relation::kAtLeast:
      return figure >= bound.bound;
    case Relation::kBelow:
      return figure < bound.bound;
    case Relation::kAbove:
      return figure > bound.bound;
  }
  return false;
}

}  // namespace

const std::vector<Metric>& metrics() {
  using M = const ComparedModel&;
  static const std::vector<Metric> table{
      {"sqnr_db", Unit::kDecibel, Needs::kNothing, "signal to noise of the worst output, or part of one, dB",
       [](M, M m) -> Figure { return worst_db(m); }},
      {"cosine", Unit::kPlain, Needs::kNothing, "cosine of the worst output, -1 to 1",
       [](M, M m) -> Figure { return worst_output(m, &ComparedOutput::cosine, false); }},
      {"max_abs_error", Unit::kPlain, Needs::kNothing, "largest error of any element",
       [](M, M m) -> Figure { return worst_output(m, &ComparedOutput::max_abs_error, true); }},
      {"agreement", Unit::kShare, Needs::kClassifier, "share of images with A's class, 0 to 1",
       [](M, M m) -> Figure { return m.agreement; }},
      {"top1", Unit::kShare, Needs::kLabels, "top-1 accuracy, 0 to 1",
       [](M, M m) { return labelled(m, [](const LabelledAccuracy& l) { return l.top1; }); }},
      {"top5", Unit::kShare, Needs::kLabels, "top-5 accuracy, 0 to 1",
       [](M, M m) { return labelled(m, [](const LabelledAccuracy& l) { return l.top5; }); }},
      {"top1_drop", Unit::kPoints, Needs::kLabels, "A's top-1 minus this model's, points",
       [](M, M m) {
         return labelled(m, [](const LabelledAccuracy& l) { return 100 * (l.top1_a - l.top1); });
       }},
      {"top5_drop", Unit::kPoints, Needs::kLabels, "the same of top-5",
       [](M, M m) {
         return labelled(m, [](const LabelledAccuracy& l) { return 100 * (l.top5_a - l.top5); });
       }},
      {"size", Unit::kBytes, Needs::kNothing, "bytes on disk",
       [](M, M m) -> Figure { return static_cast<double>(m.size); }},
      {"size_ratio", Unit::kTimes, Needs::kNothing, "bytes on disk, of A's",
       [](M a, M m) { return ratio(static_cast<double>(m.size), static_cast<double>(a.size)); }},
      {"compressed_size", Unit::kBytes, Needs::kNothing, "bytes after zlib at its default level, 6",
       [](M, M m) -> Figure { return static_cast<double>(m.compressed_size); }},
      {"compressed_ratio", Unit::kTimes, Needs::kNothing, "the same, of A's",
       [](M a, M m) {
         return ratio(static_cast<double>(m.compressed_size), static_cast<double>(a.compressed_size));
       }},
      {"peak_memory", Unit::kBytes, Needs::kMemory, "bytes that loading and one run take",
       [](M, M m) -> Figure {
         return m.peak_memory ? Figure(static_cast<double>(*m.peak_memory)) : std::nullopt;
       }},
      {"latency_ms", Unit::kMilliseconds, Needs::kTiming, "median of one inference, one thread",
       [](M, M m) { return timed(m.one_thread, &Latency::median_ms); }},
      {"speedup", Unit::kTimes, Needs::kTiming, "A's median over this model's, one thread",
       [](M a, M m) { return speedup(a.one_thread, m.one_thread); }},
      {"speedup_all_threads", Unit::kTimes, Needs::kAllThreads, "the same on all threads",
       [](M a, M m) { return speedup(a.all_threads, m.all_threads); }}};
  return table;
}

std::vector<Bound> parse_gates(const std::vector<std::string>& texts, bool labels, bool timing) {
  Diagnostics diagnostics;
  std::vector<Bound> bounds;
  for (const std::string& text : texts) {
    bounds.push_back(parse_gate(text, diagnostics));
    if (!bounds.back().metric) continue;
    const Metric& metric = *bounds.back().metric;
    const bool never = (metric.needs == Needs::kLabels && !labels) ||
                       ((metric.needs == Needs::kTiming || metric.needs == Needs::kAllThreads ||
                         metric.needs == Needs::kMemory) &&
                        !timing);
    if (never)
      diagnostics.error({"not-measured", "--gate '" + text + "'",
                         format("{} is not measured: {}", metric.name, remedy_of(metric).cause),
                         remedy_of(metric).remedy});
  }
  diagnostics.throw_if_errors(Exit::kUsage);
  return bounds;
}

bool judge(Comparison& comparison, const std::vector<Bound>& bounds) {
  Diagnostics diagnostics;
  bool all_hold = true;
  for (const Bound& bound : bounds) {
    for (size_t i = 1; i < comparison.models.size(); ++i) {
      const ComparedModel& model = comparison.models[i];
      const Figure figure = bound.metric->figure(comparison.models[0], model);
      if (!figure) {
        diagnostics.error({"not-measured", "--gate '" + bound.text + "'",
                           format("{} of {} was not measured: {}", bound.metric->name, model.letter,
                                  remedy_of(*bound.metric).cause),
                           remedy_of(*bound.metric).remedy});
        continue;
      }
      comparison.gates.push_back({bound.text, model.letter, *figure, holds(bound, *figure)});
      all_hold = all_hold && comparison.gates.back().held;
    }
  }
  diagnostics.throw_if_errors(Exit::kUsage);
  return all_hold;
}

}  // namespace qc::report
