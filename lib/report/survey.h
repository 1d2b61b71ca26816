// `qconvert survey`: every way of quantizing one model, side by side, as numbers, then printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qc::report {

enum class Best { kSize, kSpeed, kAccuracy };

struct SurveyRow {
  std::string name;               // "weight_only, int4 in blocks of 32"
  std::vector<std::string> sets;  // "/mode=weight_only": what differs from the config that was given
  std::string config_json;        // the whole config, ready to use
  std::string failure;            // why there is no file; the figures below are then meaningless
  std::string same_as;            // an earlier row that gave the same bytes; figures are that row's
  int64_t size = 0;               // bytes
  std::optional<int64_t> peak_memory;
  std::optional<double> latency_ms, speedup;  // one thread; float's time over this one's
  double sqnr_db = 0;                         // of the worst output
  std::optional<double> agreement, top1;      // 0..1
  std::vector<std::string> notes;             // of the conversion: what did not become as asked, and why
  bool pareto = false;  // no other row is at least as good in size, speed and accuracy and better in one
};

struct Survey {
  std::string model;
  int64_t images = 0;
  std::string unit = "image";  // as CalibrationSet has it
  double seconds = 0;
  Best best = Best::kSize;
  std::vector<SurveyRow> rows;  // the float model is the first
};

/// Marks the rows that no other beats: size, time (5 % is the same: clocks are noisy), and accuracy (top-1
/// where there are labels, else SQNR; 0.2 points or 0.5 dB are the same).
void mark_pareto(Survey& survey);
/// The float model first, the rest by what is asked for (accuracy: top-1, then agreement, then SQNR); rows
/// without a file last. Stable.
void sort_rows(Survey& survey);

std::string to_text(const Survey& survey);
std::string to_json(const Survey& survey);
std::string to_markdown(const Survey& survey);
/// Size against accuracy (top-1 where there are labels, else the worst output's SQNR): survey_plot.cpp.
std::string to_svg(const Survey& survey);

}  // namespace qc::report
