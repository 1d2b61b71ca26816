// The one table of keys: where a key stands, what it takes, what it means, which field of CoreConfig it
// fills. Parsing, messages, `qconvert config`, `qconvert schema` and configs/README.md walk this table and
// nothing else, so a key cannot be known to one of them and unknown to another.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/core_config.h"

namespace qc::config {

using Json = nlohmann::json;

enum class Kind {
  kBool,
  kInteger,
  kNumber,
  kText,
  kChoice,     // one of Key::choices, by name (MCT's enums also by number)
  kTexts,      // list of strings
  kNumbers,    // one number, or a list of them
  kPair,       // [h, w]
  kSize,       // bytes, or "3 MB"
  kBudget,     // bytes, or "3 MB", or "50%" of the size with 8 bits; "inf"
  kShare,      // a number, or "50%" of that with 8 bits; "inf"
  kPath,       // relative to the config file
  kFileName,   // without a folder
  kResize,     // resize.cpp
  kShapes,     // object: input name -> dims
  kWidths,     // list of rules that set widths: rules.cpp
  kEditor,     // list of rules with actions: rules.cpp
  kPlacement,  // placement.cpp
  kCustomOps,  // custom_ops.cpp
  kFixed,      // known to MCT, but only Key::accepted can be had here
  kIgnored,    // for other programs ("$schema")
};

struct Choice {
  std::string name;
  int value = 0;           // of the enum in CoreConfig
  bool by_number = false;  // MCT's enum: the number may stand instead of the name
  std::string refusal;     // not empty: known, and refused with this sentence
};

/// Moves one key between JSON and CoreConfig. `set` gets a value that check() has passed.
struct Binding {
  std::function<void(CoreConfig&, const Json&)> set;
  std::function<Json(const CoreConfig&)> get;
};

/// Another key that must have this value, by name.
struct Condition {
  std::string pointer, value;
};

struct Key {
  std::string pointer;  // "/gates/min_agreement"
  Kind kind = Kind::kFixed;
  double low = 0, high = 0;  // of a number, of each list element, of a side, of bytes
  bool nullable = false;     // null is the default and means that nothing is asked for
  Binding field;
  std::vector<Choice> choices;
  std::string accepted;  // kFixed: JSON list of the values that are taken; the first is the default
  std::string refusal;   // kFixed: why nothing else is, and what to use instead
  /// Set: `accepted` and `refusal` hold, whatever the kind, where the condition does not.
  std::optional<Condition> unless;
  std::string meaning;  // one sentence
  std::string mct;      // MCT's counterpart; "" is qconvert's own
};

/// An object that holds keys. null stands for an object without members.
struct Group {
  std::string pointer, meaning, mct;
  bool null_by_default = false;  // printed as null: the object's presence alone would mean something
};

/// One row. `mct`: MCT's counterpart; "" is qconvert's own.
Key row(const char* pointer, Kind kind, double low, double high, Binding field, const char* meaning,
        const char* mct = "");
/// Rows of /gates that need labels or a clock: keys_gates.cpp.
void add_measured_gates(std::vector<Key>& table);

/// The table: every key. The functions below each add the rows of one file.
const std::vector<Key>& keys();
void add_rule_keys(std::vector<Key>& table);        // rules.cpp
void add_placement_key(std::vector<Key>& table);    // placement.cpp
void add_custom_ops_key(std::vector<Key>& table);   // custom_ops.cpp
void add_mode_keys(std::vector<Key>& table);        // keys_modes.cpp
void add_correction_keys(std::vector<Key>& table);  // keys_correction.cpp
void add_balance_keys(std::vector<Key>& table);     // keys_balance.cpp
void add_budget_keys(std::vector<Key>& table);      // keys_budget.cpp
const std::vector<Group>& groups();                 // the order of configs/README.md

/// nullptr for a pointer that is no key.
const Key* find_key(const std::string& pointer);
bool is_group(const std::string& pointer);
/// Names of the members of a group, keys and groups, in the table's order.
std::vector<std::string> member_names(const std::string& group);

}  // namespace qc::config
