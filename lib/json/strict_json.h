// JSON written by people, read strictly: for the core-config and for target files. nlohmann/json alone keeps
// the last of two equal keys, knows no line numbers once the text is parsed, and words its errors for
// programmers; this adds duplicate keys as errors, the line of every key, a remedy for every syntax error,
// and limits on size and depth. The header shows nlohmann's type, so only .cpp files of rooms that may know
// nlohmann/json include it.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace qc::json {

using Json = nlohmann::json;

/// A text and where its keys stand, for the places of messages.
struct Document {
  Json root;
  std::string label;                 // file name as the user gave it
  std::map<std::string, int> lines;  // JSON pointer of a key -> its line; kCommandLine: it came from --set
};
inline constexpr int kCommandLine = -1;

/// // and /* */ comments are allowed. Problems go to `diagnostics`; after a syntax error root is null, after
/// a duplicate key the last value stands.
Document parse(std::string_view text, const std::string& label, Diagnostics& diagnostics);

/// "core.json:12 /gates/min_agreement"; the nearest enclosing key's line where the pointer itself has none.
std::string place(const Document& document, const std::string& pointer);

/// `parent` + "/" + `key` with '~' and '/' escaped.
std::string child(const std::string& parent, std::string_view key);

/// What stands there, for messages: `the string "abc"`, "3", "an object", cut to a readable length.
std::string found(const Json& value);

/// The problem of a key that `group` does not have. `everywhere` are pointers of all keys that exist
/// anywhere: a key put at the wrong level is told where it belongs.
Problem unknown_key(const Document& document, const std::string& pointer,
                    const std::vector<std::string>& siblings, const std::vector<std::string>& everywhere);

/// Two-space indent, keys sorted, lists of scalars on one line; bytes that are no UTF-8 are replaced. Ends in
/// a newline.
std::string pretty(const Json& value);

/// Reads the members of one object, one call a member, and reports what is wrong or unknown. Members left out
/// keep their value. For small fixed objects; the core-config has its own key table.
class Members {
 public:
  Members(const Document& document, const Json& object, std::string pointer, Diagnostics& diagnostics);
  void read(const char* key, bool& value);
  void read(const char* key, int& value, int low, int high);
  void read(const char* key, std::string& value);
  /// nullptr when absent or of another type; `what` names the type in the message ("an object").
  const Json* object(const char* key);
  const Json* list(const char* key);
  /// The member is there and says null; such a member counts as asked for.
  bool is_null(const char* key);
  void ignore(const char* key);
  /// Reports members that no call above asked for.
  void finish();

  bool present() const { return object_ != nullptr; }
  std::string pointer(const char* key) const { return child(pointer_, key); }
  void problem(const std::string& pointer, std::string code, std::string cause, std::string remedy);

 private:
  const Json* take(const char* key);
  const Json* take(const char* key, bool (Json::*is)() const noexcept, const char* what);

  const Document& document_;
  const Json* object_ = nullptr;  // nullptr: it was no object
  std::string pointer_;
  Diagnostics& diagnostics_;
  std::vector<std::string> asked_;
};

}  // namespace qc::json
