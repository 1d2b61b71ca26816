// See log.h.
#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.h"

namespace qc::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("qconvert", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^%v%$");  // no timestamps: the same input gives the same lines
    return made;
  }();
  return *instance;
}

Format format_of_lines = Format::kText;

const char* name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::warn:
      return "warning";
    case spdlog::level::err:
      return "error";
    default:
      return "info";
  }
}

void say(spdlog::level::level_enum level, const std::string& message) {
  logger().log(level, "{}",
               format_of_lines == Format::kText
                   ? message
                   : format(R"({{"level": "{}", "message": {}}})", name_of(level), json_quoted(message)));
}

void say(spdlog::level::level_enum level, const Problem& problem, const char* severity) {
  std::string text = to_text(problem, severity);
  text.pop_back();  // the log ends its lines itself
  logger().log(level, "{}",
               format_of_lines == Format::kText
                   ? text
                   : format(R"({{"level": "{}", "code": {}, "place": {}, "cause": {}, "remedy": {}}})",
                            name_of(level), json_quoted(problem.code), json_quoted(problem.place),
                            json_quoted(problem.cause), json_quoted(problem.remedy)));
}

}  // namespace

void set_level(Level level) {
  logger().set_level(level == Level::kQuiet     ? spdlog::level::warn
                     : level == Level::kVerbose ? spdlog::level::debug
                                                : spdlog::level::info);
}
void set_format(Format chosen) {
  format_of_lines = chosen;
  if (chosen == Format::kJson) logger().set_pattern("%v");
}
void info(const std::string& message) {
  say(spdlog::level::info, message);
}
void debug(const std::string& message) {
  say(spdlog::level::debug, message);
}
void warn(const std::string& message) {
  say(spdlog::level::warn, message);
}
void error(const std::string& message) {
  say(spdlog::level::err, message);
}
void warn(const Problem& problem) {
  say(spdlog::level::warn, problem, "warning");
}
void error(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) say(spdlog::level::err, problem, "error");
}

}  // namespace qc::log
