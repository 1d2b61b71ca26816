// TargetPlatformCapabilities as MCT and edge-mdt-tpc write them (schema 1 and 2, v1.py and v2.py under MCT's
// target_platform_capabilities/schema): which operator sets there are, how each is quantized, what is fused.
// Read as they are and put into our own terms. Inside this room only.
#pragma once

#include <string>

#include "json/strict_json.h"
#include "target/target.h"

namespace qc::target {

/// Has the document a TPC's keys?
bool is_tpc(const json::Json& root);

/// Problems go to `diagnostics`: unknown keys, enum numbers and operator sets, op sets named twice, several
/// candidates without a base_config, widths that no file of ours holds. `root` is not asked for more.
TargetSpec read_tpc(const json::Document& document, const std::string& fallback_name,
                    Diagnostics& diagnostics);

}  // namespace qc::target
