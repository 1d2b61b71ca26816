// Log lines for people and machines, on stderr; stdout belongs to the report. The only user of spdlog is
// log.cpp.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace qc::log {

enum class Level { kQuiet, kNormal, kVerbose };

void set_level(Level level);

/// Lines for people, or one JSON object a line: level and message, or level, code, place, cause and remedy.
enum class Format { kText, kJson };
void set_format(Format format);

void info(const std::string& message);   // what is going on; hidden by -q
void debug(const std::string& message);  // shown by -v
void warn(const std::string& message);   // shown always
void error(const std::string& message);  // shown always
/// Shown always.
void warn(const Problem& problem);
void error(const std::vector<Problem>& problems);

}  // namespace qc::log
