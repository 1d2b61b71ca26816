// The corridor: one conversion from model and config to files and report. pipeline.cpp reads like a table of
// contents.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/core_config.h"
#include "report/report.h"
#include "report/width_frontier.h"

namespace qc {

/// What the command line says; everything else is in the config.
struct ConvertOptions {
  std::filesystem::path model;
  std::filesystem::path config;             // empty: defaults
  std::vector<config::Override> overrides;  // --set, and what --images, --target, --format say
  std::filesystem::path output_folder = ".";
  int threads = 0;                      // 0: all
  std::filesystem::path depfile;        // for make and ninja: what was read; empty: none
  std::filesystem::path stamp;          // gets the time of the last good run; empty: none
  bool markdown = false, html = false;  // these reports beside the JSON one
  bool frontier = false;                // measure choices of widths (frontier.h), write nothing
  bool diagnose = false;                // what each rounding costs
  bool resume = false;               // keep solved layers, and go on from those of a stopped run (resume.h)
  bool time_written = false;         // measure the written file's speed, for the text report
  bool dry_run = false;              // the plan that would be tried, no images, no files
  bool picked = false;               // the rules of widths are a choice of the frontier
  std::vector<std::string> explain;  // node names (globs)
  std::vector<std::string> dump;     // stage names, see dump_stages()
};

struct ConvertResult {
  report::Report report;
  std::vector<std::filesystem::path> written;     // all of them, in the order of writing
  std::vector<std::filesystem::path> unchanged;   // those that had the same content: not touched
  std::string explained;                          // text of --explain
  std::string dumped;                             // text of --dump
  std::optional<report::WidthFrontier> frontier;  // where it was asked for
  bool gates_hold = true;                         // false: exit 5
};

/// "read", "normalize", "stats", "candidates", "plan", "tflite".
const std::vector<std::string>& dump_stages();

/// Throws Error. Writes nothing unless everything before has succeeded; nothing either when a gate fails, or
/// files named *.rejected where the config says so.
ConvertResult convert(const ConvertOptions& options);

}  // namespace qc
