// See syntax.h. The mistakes that people make are few: a table of them, first match wins, each with the
// remedy that mends it. nlohmann/json's message is used to recognise the mistake and is never shown.
#include "json/syntax.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace qc::json {
namespace {

/// One mistake as seen by the table's predicates.
struct Mistake {
  std::string_view text;
  const Stop& stop;
  size_t start;      // where the offending token begins
  char first;        // its first character, 0 at the end of the text
  char before;       // last character before it that is no blank
  std::string word;  // the letters that begin there: True, NaN, z_threshold

  bool says(std::string_view words) const { return stop.message.find(words) != std::string::npos; }
};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

// Where the string that ends (or breaks off) before `end` begins.
size_t string_start(std::string_view text, size_t end) {
  for (size_t at = end; at-- > 0;) {
    size_t backslashes = 0;
    while (backslashes < at && text[at - 1 - backslashes] == '\\') ++backslashes;
    if (text[at] == '"' && backslashes % 2 == 0) return at;
  }
  return 0;
}

// Where the offending token begins; the parser only says where it stopped.
size_t token_start(std::string_view text, const Stop& stop) {
  const auto says = [&](std::string_view words) { return stop.message.find(words) != std::string::npos; };
  const size_t end = std::min(stop.position, text.size());
  if (says("end of input;") || end == 0) return end;
  if (says("closing '*/'")) return text.rfind("/*");
  if (says("invalid comment")) return end - std::min<size_t>(end, 2);
  if (says("invalid string")) return string_start(text, end);
  if (says("unexpected string")) return string_start(text, end - 1);
  if (says("number")) return end - std::min(end, stop.token.size());
  // true, false, null or a word that begins like them: the parser has gone past its first letter.
  size_t start = end - 1;
  while (start > 0 && is_letter(text[start - 1])) --start;
  return std::string_view("tfn").find(text[start]) == std::string_view::npos ? end - 1 : start;
}

Mistake look_at(std::string_view text, const Stop& stop) {
  const size_t start = token_start(text, stop);
  size_t previous = start;
  while (previous > 0 && is_blank(text[previous - 1])) --previous;
  size_t word_end = start;
  while (word_end < text.size() && (is_letter(text[word_end]) || text[word_end] == '_')) ++word_end;
  return {text,
          stop,
          start,
          start < text.size() ? text[start] : '\0',
          previous > 0 ? text[previous - 1] : '\0',
          std::string(text.substr(start, std::min<size_t>(word_end - start, 40)))};
}

struct Row {
  bool (*matches)(const Mistake&);
  const char* cause;
  const char* remedy;  // <> is replaced by the word or the bracket
};

struct WordForm {
  const char *word, *json;
};
constexpr std::array kWords{
    WordForm{"true", "true"},     WordForm{"yes", "true"},  WordForm{"on", "true"},
    WordForm{"false", "false"},   WordForm{"no", "false"},  WordForm{"off", "false"},
    WordForm{"none", "null"},     WordForm{"null", "null"}, WordForm{"nil", "null"},
    WordForm{"nan", "null"},      WordForm{"inf", "null"},  WordForm{"infinity", "null"},
    WordForm{"undefined", "null"}};

std::string json_word(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const WordForm& form : kWords)
    if (word == form.word) return form.json;
  return {};
}

constexpr std::array kRows{
    Row{[](const Mistake& m) { return std::all_of(m.text.begin(), m.text.end(), is_blank); },
        "the file is empty", "write {} to take every default, or start from the output of `qconvert config`"},
    Row{[](const Mistake& m) { return m.says("missing closing quote"); }, "a string is not closed",
        "add the closing double quote"},
    Row{[](const Mistake& m) { return m.says("closing '*/'"); }, "a comment is not closed",
        "add the closing */"},
    Row{[](const Mistake& m) { return m.says("invalid comment") || m.first == '#'; },
        "this is no JSON comment", "write comments as // to the end of the line, or between /* and */"},
    Row{[](const Mistake& m) { return m.says("control character"); },
        "a line break or tab stands inside a string",
        "close the string on its own line, and write \\n or \\t where the character is meant"},
    Row{[](const Mistake& m) { return m.says("after backslash") || m.says("'\\u'") || m.says("surrogate"); },
        "a backslash in a string begins an escape that JSON does not have",
        "write paths with / , and a backslash that is meant as \\\\"},
    Row{[](const Mistake& m) { return m.says("UTF-8") || m.says("BOM"); }, "the text is not UTF-8",
        "save the file in UTF-8"},
    Row{[](const Mistake& m) { return m.says("unexpected end of input"); }, "the file ends too early",
        "add the missing <>"},
    Row{[](const Mistake& m) { return m.first == '\''; }, "a string stands in single quotes",
        "put strings and keys in double quotes"},
    Row{[](const Mistake& m) { return m.before == ',' && (m.first == '}' || m.first == ']'); },
        "a comma stands before a closing bracket", "remove that comma"},
    Row{[](const Mistake& m) { return m.before == ',' && m.first == ','; }, "two commas follow each other",
        "remove one of them"},
    Row{[](const Mistake& m) { return m.says("object separator"); }, "the ':' after a key is missing",
        "write \"key\": value"},
    Row{[](const Mistake& m) { return m.says("expected end of input"); }, "the text goes on after its end",
        "remove what follows, or a closing bracket too many before it"},
    Row{[](const Mistake& m) { return m.says("object key") && !m.word.empty(); },
        "a key stands without quotes", "put it in double quotes"},
    Row{[](const Mistake& m) { return m.says("object key"); }, "a key is expected here",
        "write \"key\": value, or close the object with }"},
    Row{[](const Mistake& m) { return !json_word(m.word).empty(); }, "JSON spells this word otherwise",
        "write <>"},
    Row{[](const Mistake& m) { return !m.word.empty(); }, "a word stands without quotes",
        "put it in double quotes"},
    Row{[](const Mistake& m) { return m.says("number overflow"); }, "the number is too large",
        "write a number below 1e308"},
    Row{[](const Mistake& m) { return m.says("invalid number") || m.first == '+' || m.first == '.'; },
        "this is no JSON number", "write numbers as 12, -3, 0.5 or 1e-3"},
    Row{[](const Mistake& m) {
          return m.says("; expected ','") || m.says("; expected '}'") || m.says("; expected ']'");
        },
        "a comma or a closing bracket is missing before this",
        "put a comma between the values, or add the missing <>"},
    Row{[](const Mistake&) { return true; }, "a value is expected here",
        "write a string, a number, true, false, null, a list or an object"}};

std::string with_word(std::string_view remedy, const std::string& word) {
  std::string text(remedy);
  if (const size_t hole = text.find("<>"); hole != std::string::npos && !word.empty())
    text.replace(hole, 2, word);
  return text;
}

}  // namespace

Problem syntax_problem(std::string_view text, const std::string& label, const Stop& where) {
  Stop stop = where;
  // The message quotes the text; a quoted "number" must not be taken for the parser's word.
  if (const size_t quote = stop.message.find("; last read: '"); quote != std::string::npos)
    stop.message.erase(quote, stop.message.rfind('\'') - quote);
  const Mistake mistake = look_at(text, stop);
  const std::string_view head = text.substr(0, mistake.start);
  const auto line = 1 + std::count(head.begin(), head.end(), '\n');
  const size_t line_start = head.rfind('\n') + 1;  // npos + 1 is 0
  // Columns count characters, not bytes: continuation bytes of UTF-8 are left out.
  const auto column =
      1 + std::count_if(head.begin() + static_cast<std::ptrdiff_t>(line_start), head.end(),
                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  const Row& row =
      *std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.matches(mistake); });
  std::string word = json_word(mistake.word);
  if (word.empty()) word = stop.open == '[' ? "]" : "}";
  return {"json-syntax", format("{}:{}:{}", label, line, column), row.cause, with_word(row.remedy, word)};
}

}  // namespace qc::json
