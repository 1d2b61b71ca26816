// What each kind of key takes: the check, its words for people and its JSON schema, side by side for every
// kind.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "config/keys.h"

namespace qc::config {

/// Receives what is wrong: pointer, code, cause, remedy.
using Complain =
    std::function<void(const std::string& pointer, const char* code, std::string cause, std::string remedy)>;

/// Complains about everything that is wrong with `value` at `pointer`; true when nothing is.
bool check(const Key& key, const Json& value, const std::string& pointer, const Complain& complain);

/// Complains unless the value is one of Key::accepted, with Key::refusal.
bool check_accepted(const Key& key, const Json& value, const std::string& pointer, const Complain& complain);

/// "a whole number from 1 to 1024": for messages and the reference.
std::string allowed(const Key& key);

/// The key's JSON schema without its description.
Json schema(const Key& key);

/// The default, taken from a fresh CoreConfig (kFixed: the first accepted value).
Json default_value(const Key& key);

/// "3 MB", "1.5 kB", "1 MiB", "700" or "700 B" -> bytes; nothing if it is none of these or not a whole
/// positive count.
std::optional<int64_t> parse_size(std::string_view text);

/// "50%" -> 0.5; nothing if it is no share above 0 and up to 100 %.
std::optional<double> parse_share(std::string_view text);

// resize.cpp: the value of "resize", a choice between forms with fields of their own.
bool check_resize(const Json& value, const std::string& pointer, const Complain& complain);
void set_resize(const Json& value, images::Preprocess& preprocess);
Json get_resize(const images::Preprocess& preprocess);
std::string allowed_resize();
Json schema_resize();

inline constexpr size_t kMaxRules = 1000;  // of a list, and of the texts and filters of one

/// MCT's error methods, by name and number.
const std::vector<Choice>& error_methods();

// rules.cpp, filters.cpp: lists of {"filter": ..., settings}.
bool check_rules(const Key& key, const Json& value, const std::string& pointer, const Complain& complain);
std::string allowed_rules(const Key& key);
Json schema_rules(const Key& key);
Json schema_filter();  // stands under $defs, because filters hold filters
/// `depth`: of filters around this one.
bool check_filter(const Json& value, const std::string& pointer, const Complain& complain, int depth);
Filter filter_of(const Json& checked);
std::vector<std::string> words_of_filters();  // "name (node names, ...)", one for each part
/// Complaints of rules and filters; always false.
bool complain_of_type(const Json& value, const std::string& pointer, const char* wanted, const char* remedy,
                      const Complain& complain);
bool complain_unknown(const std::string& pointer, const std::vector<std::string>& known,
                      const Complain& complain);

// placement.cpp: a mode by name, or an object of mode, goals and rules.
bool check_placement(const Json& value, const std::string& pointer, const Complain& complain);
std::string allowed_placement(const Key& key);
Json schema_placement(const Key& key);

// custom_ops.cpp: a list of what is known of each op.
bool check_custom_ops(const Json& value, const std::string& pointer, const Complain& complain);
std::string allowed_custom_ops(const Key& key);
Json schema_custom_ops(const Key& key);

/// Every mode, as /mode and rules spell them.
const std::vector<Choice>& modes();

/// A float as the shortest decimal that reads back the same (JSON has doubles: 123.675, not
/// 123.67500305175781).
double short_decimal(float value);

}  // namespace qc::config
