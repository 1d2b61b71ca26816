// What `qconvert inspect A --against B` found: two inspections side by side, layer by layer, matched by name.
// Only what differs is listed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/inspection.h"
#include "report/tflite_inspection.h"

namespace qc::report {

struct Total {
  std::string what;  // "file", "nodes", "parameters", ...
  std::optional<int64_t> a, b;
  bool bytes = false;
};

struct ChangedField {
  std::string field, a, b;  // "weights", "float32", "int8, 32 scales"
};

struct LayerChange {
  std::string layer, op;  // op: of B, or of A where B lacks the layer
  std::string change;     // "added", "removed", "changed"
  std::vector<ChangedField> fields;
  int64_t a_bytes = 0, b_bytes = 0;  // constants
};

struct Difference {
  std::string model_a, model_b;
  std::vector<Total> totals;
  std::vector<LayerChange> layers;  // those of A in its order, then what B adds
  int64_t same = 0;                 // layers in which nothing differs
};

Difference difference(const Inspection& a, const Inspection& b);
/// Operators of TFLite files have no names; the name of the first tensor that they make stands for them.
Difference difference(const TfliteInspection& a, const TfliteInspection& b);

/// `verbose`: every layer.
std::string to_text(const Difference& difference, bool verbose);
std::string to_json(const Difference& difference);
std::string to_html(const Difference& difference);

}  // namespace qc::report
