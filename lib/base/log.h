// Log lines for people and machines, on stderr; stdout belongs to the report. The only user of spdlog is
// log.cpp.
#pragma once

#include <string>

namespace qc::log {

enum class Level { kQuiet, kNormal, kVerbose };

void set_level(Level level);
void info(const std::string& message);   // what is going on; hidden by -q
void debug(const std::string& message);  // shown by -v
void warn(const std::string& message);   // shown always
void error(const std::string& message);  // shown always

}  // namespace qc::log
