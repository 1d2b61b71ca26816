// See strict_json.h.
#include "json/strict_json.h"

#include <algorithm>

#include "base/text.h"
#include "json/syntax.h"

namespace qc::json {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;  // a config is a page; a model given by mistake is not parsed
constexpr size_t kMaxDepth = 64;               // bounds every recursion over a document
constexpr size_t kMaxPointer = 512;            // lines of longer pointers are not kept (memory)
constexpr size_t kFoundLength = 60;

/// Feeds the parser and counts lines; all copies share the counter, and only one copy moves.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, int* line) : at_(at), line_(line) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_ == '\n') ++*line_;
    ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  int* line_;
};

/// Builds the tree from the parser's events (nlohmann's SAX interface fixes the names of the functions).
class Builder {
 public:
  Builder(Document& document, Diagnostics& diagnostics, const int& line)
      : document_(document), diagnostics_(diagnostics), line_(line) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(int64_t value) { return put(value); }
  bool number_unsigned(uint64_t value) { return put(value); }
  bool number_float(double value, const std::string&) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // JSON text has none
  bool start_object(size_t) { return open(Json::object()); }
  bool start_array(size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Open& top = open_.back();
    const std::string pointer =
        top.pointer.size() + name.size() > kMaxPointer ? top.pointer : child(top.pointer, name);
    if (top.value->contains(name)) {
      const auto first = document_.lines.find(pointer);
      diagnostics_.error(
          {"duplicate-key", format("{}:{} {}", document_.label, line_, pointer),
           first == document_.lines.end()
               ? std::string("this key stands twice in its object")
               : format("this key stands twice in its object, first on line {}", first->second),
           "keep one of them"});
    }
    if (pointer != top.pointer) document_.lines[pointer] = line_;
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string& token, const Json::exception& error) {
    const char bracket = open_.empty() ? '\0' : open_.back().value->is_array() ? '[' : '{';
    stop_ = {position, token, error.what(), bracket};
    return false;
  }

  const Stop& stop() const { return stop_; }
  bool too_deep() const { return too_deep_; }

 private:
  struct Open {
    Json* value;
    std::string pointer;
  };

  Json* place_for(Json&& value) {
    if (open_.empty()) {
      document_.root = std::move(value);
      return &document_.root;
    }
    Json& parent = *open_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }

  bool put(Json value) {
    place_for(std::move(value));
    return true;
  }

  bool open(Json value) {
    too_deep_ = open_.size() >= kMaxDepth;
    if (too_deep_) return false;
    std::string pointer;
    if (!open_.empty()) {
      const Open& top = open_.back();
      const std::string name = top.value->is_array() ? std::to_string(top.value->size()) : key_;
      pointer = top.pointer.size() + name.size() > kMaxPointer ? top.pointer : child(top.pointer, name);
    }
    Json* place = place_for(std::move(value));
    open_.push_back({place, std::move(pointer)});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  Document& document_;
  Diagnostics& diagnostics_;
  const int& line_;
  std::vector<Open> open_;  // pointers stay valid: only the innermost container grows while it is open
  std::string key_;
  Stop stop_;
  bool too_deep_ = false;
};

void print(const Json& value, int indent, std::string& out) {
  const auto text = [](const Json& scalar) {
    return scalar.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  const std::string pad(static_cast<size_t>(indent) + 2, ' ');
  const bool flat =
      std::none_of(value.begin(), value.end(), [](const Json& v) { return v.is_structured() && !v.empty(); });
  if (value.is_object() && !value.empty()) {
    out += "{\n";
    for (auto member = value.begin(); member != value.end(); ++member) {
      out += pad + text(member.key()) + ": ";
      print(member.value(), indent + 2, out);
      out += std::next(member) == value.end() ? "\n" : ",\n";
    }
    out += pad.substr(2) + "}";
  } else if (value.is_array() && !value.empty()) {
    out += flat ? "[" : "[\n";
    for (size_t i = 0; i < value.size(); ++i) {
      if (!flat) out += pad;
      print(value[i], indent + 2, out);
      if (i + 1 < value.size()) out += flat ? ", " : ",";
      if (!flat) out += "\n";
    }
    out += flat ? "]" : pad.substr(2) + "]";
  } else {
    out += text(value);
  }
}

}  // namespace

Document parse(std::string_view text, const std::string& label, Diagnostics& diagnostics) {
  Document document{nullptr, label, {}};
  if (text.size() > kMaxBytes) {
    diagnostics.error(
        {"json-syntax", label,
         format("the file has {}; this is no file of settings",
                human_bytes(static_cast<double>(text.size()))),
         format("name a JSON file of at most {}", human_bytes(static_cast<double>(kMaxBytes)))});
    return document;
  }
  int line = 1;
  Builder builder(document, diagnostics, line);
  const bool parsed = Json::sax_parse(CountingIterator(text.data(), &line),
                                      CountingIterator(text.data() + text.size(), &line), &builder,
                                      Json::input_format_t::json, true, true);
  if (parsed) return document;
  document.root = nullptr;
  diagnostics.error(builder.too_deep() ? Problem{"json-syntax", format("{}:{}", label, line),
                                                 format("brackets are nested more than {} deep", kMaxDepth),
                                                 "remove some of them"}
                                       : syntax_problem(text, label, builder.stop()));
  return document;
}

std::string place(const Document& document, const std::string& pointer) {
  std::string shown = pointer;
  if (shown.size() > kMaxPointer) shown = shown.substr(0, kMaxPointer) + "...";
  for (std::string at = pointer; !at.empty(); at.resize(at.rfind('/'))) {
    const auto line = document.lines.find(at);
    if (line == document.lines.end()) continue;
    return line->second == kCommandLine ? format("--set {}", shown)
                                        : format("{}:{} {}", document.label, line->second, shown);
  }
  return pointer.empty() ? document.label : format("{} {}", document.label, shown);
}

std::string child(const std::string& parent, std::string_view key) {
  std::string pointer = parent + "/";
  for (const char c : key) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
  return pointer;
}

std::string found(const Json& value) {
  if (value.is_object()) return value.empty() ? "an empty object" : "an object";
  if (value.is_array() && value.empty()) return "an empty list";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kFoundLength) {
    size_t length = kFoundLength;  // not in the middle of a character
    while ((static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
    text = text.substr(0, length) + "...";
  }
  if (value.is_string()) return "the string " + text;
  if (value.is_number()) return "the number " + text;
  return value.is_array() ? "the list " + text : text;
}

Problem unknown_key(const Document& document, const std::string& pointer,
                    const std::vector<std::string>& siblings, const std::vector<std::string>& everywhere) {
  const std::string name = pointer.substr(pointer.rfind('/') + 1);
  const std::string where = place(document, pointer);
  const std::string cause = "this key is unknown";
  if (name.size() > 100)
    return {"unknown-key", where, cause, "remove it"};  // and no edit distance of long texts
  const auto last = [](const std::string& p) { return p.substr(p.rfind('/') + 1); };
  for (const std::string& other : everywhere)
    if (last(other) == name) return {"unknown-key", where, cause + " here", "move it to " + other};
  if (const std::string meant = nearest(name, siblings); !meant.empty())
    return {"unknown-key", where, cause, format("did you mean \"{}\"?", meant)};
  constexpr size_t kToGuess = 4;  // letters; a shorter name is near to many
  const auto longer = [&](const std::string& sibling) { return sibling.starts_with(name); };
  if (name.size() >= kToGuess && std::ranges::count_if(siblings, longer) == 1)
    return {"unknown-key", where, cause,
            format("did you mean \"{}\"?", *std::ranges::find_if(siblings, longer))};
  std::vector<std::string> names;
  for (const std::string& other : everywhere) names.push_back(last(other));
  const std::string meant = name.size() < kToGuess ? std::string() : nearest(name, names);
  const auto other = std::find(names.begin(), names.end(), meant);
  if (!meant.empty())
    return {"unknown-key", where, cause, format("did you mean {}?", everywhere[other - names.begin()])};
  return {"unknown-key", where, cause,
          siblings.empty() ? "remove it" : format("remove it; the keys here are: {}", join(siblings, ", "))};
}

std::string pretty(const Json& value) {
  std::string text;
  print(value, 0, text);
  return text + "\n";
}

Members::Members(const Document& document, const Json& object, std::string pointer, Diagnostics& diagnostics)
    : document_(document), pointer_(std::move(pointer)), diagnostics_(diagnostics) {
  if (object.is_object())
    object_ = &object;
  else
    problem(pointer_, "wrong-type", format("expected an object, found {}", found(object)),
            "write { \"key\": value }");
}

void Members::problem(const std::string& pointer, std::string code, std::string cause, std::string remedy) {
  diagnostics_.error({std::move(code), place(document_, pointer), std::move(cause), std::move(remedy)});
}

const Json* Members::take(const char* key) {
  asked_.emplace_back(key);
  if (!object_) return nullptr;
  const auto member = object_->find(key);
  return member == object_->end() ? nullptr : &*member;
}

const Json* Members::take(const char* key, bool (Json::*is)() const noexcept, const char* what) {
  const Json* value = take(key);
  if (!value || (value->*is)()) return value;
  problem(pointer(key), "wrong-type", format("expected {}, found {}", what, found(*value)),
          format("write {} here, or remove the key", what));
  return nullptr;
}

void Members::read(const char* key, bool& value) {
  if (const Json* json = take(key, &Json::is_boolean, "true or false")) value = json->get<bool>();
}

void Members::read(const char* key, int& value, int low, int high) {
  const Json* json = take(key, &Json::is_number_integer, "a whole number");
  if (!json) return;
  const double number = json->get<double>();  // exact for every number that the range allows
  if (number >= low && number <= high)
    value = json->get<int>();
  else
    problem(pointer(key), "bad-value", format("{} is not possible here", found(*json)),
            format("write a number from {} to {}", low, high));
}

void Members::read(const char* key, std::string& value) {
  if (const Json* json = take(key, &Json::is_string, "a string")) value = json->get<std::string>();
}

const Json* Members::object(const char* key) {
  return take(key, &Json::is_object, "an object");
}
const Json* Members::list(const char* key) {
  return take(key, &Json::is_array, "a list");
}
bool Members::is_null(const char* key) {
  if (!object_ || !object_->contains(key) || !(*object_)[key].is_null()) return false;
  ignore(key);
  return true;
}

void Members::ignore(const char* key) {
  take(key);
}

void Members::finish() {
  if (!object_) return;
  for (const auto& [key, value] : object_->items())
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
      diagnostics_.error(unknown_key(document_, child(pointer_, key), asked_, {}));
}

}  // namespace qc::json
