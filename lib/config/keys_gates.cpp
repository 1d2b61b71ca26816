// Keys of /gates that need labels or a clock. See keys.h; the gates that every run can judge stand in
// keys.cpp.
#include <nlohmann/json.hpp>

#include "config/keys.h"

namespace qc::config {
namespace {

Key number(const char* name, double low, double high, std::optional<double> Gates::*field,
           const char* meaning) {
  Key key;
  key.pointer = std::string("/gates/") + name;
  key.kind = Kind::kNumber;
  key.low = low;
  key.high = high;
  key.nullable = true;
  key.meaning = meaning;
  key.field.set = [field](CoreConfig& config, const Json& value) {
    config.gates.*field = value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  };
  key.field.get = [field](const CoreConfig& config) {
    const std::optional<double>& bound = config.gates.*field;
    return bound ? Json(*bound) : Json();
  };
  return key;
}

}  // namespace

void add_measured_gates(std::vector<Key>& table) {
  table.push_back(number("max_top1_drop", -100, 100, &Gates::max_top1_drop,
                         "Exit 5 if top-1 on all labelled images of the folder is lower than float's by more "
                         "points (classifiers; needs labels)."));
  Key labels;
  labels.pointer = "/gates/labels";
  labels.kind = Kind::kPath;
  labels.nullable = true;
  labels.meaning = "CSV with the columns file and class_index: the classes of the images, for max_top1_drop.";
  labels.field.set = [](CoreConfig& config, const Json& value) {
    config.gates.labels = value.is_string() ? value.get<std::string>() : std::string();
  };
  labels.field.get = [](const CoreConfig& config) {
    return config.gates.labels.empty() ? Json() : Json(config.gates.labels.string());
  };
  table.push_back(std::move(labels));
  Key keep;
  keep.pointer = "/gates/keep_rejected";
  keep.kind = Kind::kBool;
  keep.meaning = "Files that fail a gate are written with .rejected behind their names; false: not at all.";
  keep.field.set = [](CoreConfig& config, const Json& value) {
    config.gates.keep_rejected = value.get<bool>();
  };
  keep.field.get = [](const CoreConfig& config) { return Json(config.gates.keep_rejected); };
  table.push_back(std::move(keep));
  table.push_back(number("min_speedup", 0, 1000, &Gates::min_speedup,
                         "Exit 5 if the written ONNX file is not at least so many times as fast as the float "
                         "model on one thread here (1: as fast)."));
}

}  // namespace qc::config
