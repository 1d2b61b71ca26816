// Options that several commands take, and what they come to: how the command talks, on how many processors,
// and which keys of the config the command line overrules.
#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/core_config.h"

namespace qc::app {

constexpr int64_t kMostCount = 1'000'000'000;

/// What a command prints, and how much.
struct Talk {
  std::vector<std::string> reports, forms;
  std::string log_format = "text";
  bool verbose = false, quiet = false, no_progress = false;

  bool wants(const char* form) const {
    return std::find(reports.begin(), reports.end(), form) != reports.end();
  }
  bool json() const { return wants("json"); }
};

/// The forms of a report that a command knows; what a form means is for the command to say.
using Forms = std::vector<std::string>;
inline const Forms kPrinted{"text", "json"};
inline constexpr const char* kPrintedSentence = "what goes to stdout: text (default) or json";

void add_report(CLI::App& app, Talk& talk, const Forms& forms = kPrinted,
                const char* sentence = kPrintedSentence);
/// The report, and the options of every command that logs.
void add_talk(CLI::App& app, Talk& talk, const Forms& forms = kPrinted,
              const char* sentence = kPrintedSentence);
/// Sets up log and progress. Adds all wrong forms to `problems`, each with what was meant.
void apply(const Talk& talk, Diagnostics& problems);
void add_threads(CLI::App& app, int& threads);

/// A target file on the command line is meant from here, not from the config's folder.
std::string target_from_here(const std::string& target);
config::Override images_override(const std::string& folder);
/// Adds formats that do not exist to `problems`.
config::Override formats_override(const std::string& list, Diagnostics& problems);
/// --set /POINTER=VALUE, for add_sets().
void add_set(CLI::App& app, std::vector<std::string>& sets);
/// Adds those of --set to `overrides`, and those that are none to `problems`.
void add_sets(const std::vector<std::string>& sets, std::vector<config::Override>& overrides,
              Diagnostics& problems);

}  // namespace qc::app
