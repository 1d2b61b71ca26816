// See log.h.
#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

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

}  // namespace

void set_level(Level level) {
  logger().set_level(level == Level::kQuiet     ? spdlog::level::warn
                     : level == Level::kVerbose ? spdlog::level::debug
                                                : spdlog::level::info);
}
void info(const std::string& message) {
  logger().info("{}", message);
}
void debug(const std::string& message) {
  logger().debug("{}", message);
}
void warn(const std::string& message) {
  logger().warn("{}", message);
}
void error(const std::string& message) {
  logger().error("{}", message);
}

}  // namespace qc::log
