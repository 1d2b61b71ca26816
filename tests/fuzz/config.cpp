// Any bytes as a core-config: parsing either refuses with a usage error or gives a config whose printed form
// is a config again, the same one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "config/core_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  qc::Diagnostics diagnostics;
  qc::config::CoreConfig config;
  try {
    config = qc::config::parse(text, "/nonexistent/fuzz.json", {}, diagnostics);
  } catch (const qc::Error& error) {
    if (error.exit != qc::Exit::kUsage) std::abort();
    return 0;
  }
  const std::string printed = qc::config::to_json(config);
  const qc::config::CoreConfig again = qc::config::parse(printed, "/nonexistent/fuzz.json", {}, diagnostics);
  if (qc::config::to_json(again) != printed) std::abort();
  return 0;
}
