// JSON written by people: each mistake gets its line, its column and a remedy that mends it.
#include "json/strict_json.h"

#include <catch2/catch.hpp>

namespace qc {
namespace {

Problem only_problem(const std::string& text) {
  Diagnostics diagnostics;
  json::parse(text, "f.json", diagnostics);
  REQUIRE(diagnostics.errors.size() == 1);
  return diagnostics.errors[0];
}

struct Mistake {
  const char *text, *place, *cause, *remedy;
};

TEST_CASE("a syntax error names line and column, the mistake and its remedy") {
  const auto mistake = GENERATE(
      Mistake{"", "f.json:1:1", "the file is empty", "write {}"},
      Mistake{" \n\n ", "f.json:3:2", "the file is empty", "write {}"},
      Mistake{"{\n  \"a\": 1,\n}", "f.json:3:1", "comma stands before", "remove that comma"},
      Mistake{"{\"a\": [1, 2,]}", "f.json:1:13", "comma stands before", "remove that comma"},
      Mistake{"{\"a\": 1,, \"b\": 2}", "f.json:1:9", "two commas", "remove one"},
      Mistake{"{\"a\": 1 \"b\": 2}", "f.json:1:9", "comma or a closing bracket", "add the missing }"},
      Mistake{"{\"a\": [1 2]}", "f.json:1:10", "comma or a closing bracket", "add the missing ]"},
      Mistake{"{\"a\": 1", "f.json:1:8", "ends too early", "add the missing }"},
      Mistake{"{\"a\": [1", "f.json:1:9", "ends too early", "add the missing ]"},
      Mistake{"{\"a\": 'x'}", "f.json:1:7", "single quotes", "double quotes"},
      Mistake{"{'a': 1}", "f.json:1:2", "single quotes", "double quotes"},
      Mistake{"{a: 1}", "f.json:1:2", "without quotes", "double quotes"},
      Mistake{"{\"a\": MSE}", "f.json:1:7", "without quotes", "double quotes"},
      Mistake{"{\"a\": True}", "f.json:1:7", "spells this word otherwise", "write true"},
      Mistake{"{\"a\": off}", "f.json:1:7", "spells this word otherwise", "write false"},
      Mistake{"{\"a\": None}", "f.json:1:7", "spells this word otherwise", "write null"},
      Mistake{"{\"a\": nan}", "f.json:1:7", "spells this word otherwise", "write null"},
      Mistake{"{\"a\" 1}", "f.json:1:6", "':' after a key is missing", "\"key\": value"},
      Mistake{"{\"a\" = 1}", "f.json:1:6", "':' after a key is missing", "\"key\": value"},
      Mistake{"{1: 2}", "f.json:1:2", "a key is expected", "close the object"},
      Mistake{"{\"a\": }", "f.json:1:7", "a value is expected", "write a string"},
      Mistake{"{\"a\": .5}", "f.json:1:7", "no JSON number", "0.5"},
      Mistake{"{\"a\": +5}", "f.json:1:7", "no JSON number", "12"},
      Mistake{"{\"a\": 1.}", "f.json:1:7", "no JSON number", "1e-3"},
      Mistake{"{\"a\": 1e999}", "f.json:1:7", "too large", "1e308"},
      Mistake{"{\"a\": \"x}", "f.json:1:7", "a string is not closed", "closing double quote"},
      Mistake{"{\"a\": \"x\n\"}", "f.json:1:7", "inside a string", "\\n"},
      Mistake{"{\"a\": \"C:\\data\"}", "f.json:1:7", "backslash", "write paths with /"},
      Mistake{"{\"a\": \"\xff\"}", "f.json:1:7", "not UTF-8", "UTF-8"},
      Mistake{"{\"ü\": ,}", "f.json:1:7", "a value is expected", "write a string"},
      Mistake{"{} }", "f.json:1:4", "goes on after its end", "remove what follows"},
      Mistake{"{} # x", "f.json:1:4", "no JSON comment", "//"},
      Mistake{"{ /* x }", "f.json:1:3", "comment is not closed", "*/"});
  CAPTURE(mistake.text);
  const Problem problem = only_problem(mistake.text);
  CHECK(problem.code == "json-syntax");
  CHECK(problem.place == mistake.place);
  CHECK_THAT(problem.cause, Catch::Contains(mistake.cause));
  CHECK_THAT(problem.remedy, Catch::Contains(mistake.remedy));
}

TEST_CASE("comments are allowed and keys know their lines") {
  Diagnostics diagnostics;
  const json::Document document =
      json::parse("// head\n{\n  \"a\": /* why */ {\n    \"b/c\": [1,\n 2]}, // tail\n  \"d\": 1\n}\n",
                  "f.json", diagnostics);
  REQUIRE(diagnostics.errors.empty());
  CHECK(json::place(document, "/a") == "f.json:3 /a");
  CHECK(json::place(document, "/a/b~1c") == "f.json:4 /a/b~1c");
  CHECK(json::place(document, "/a/b~1c/1") == "f.json:4 /a/b~1c/1");
  CHECK(json::place(document, "/d") == "f.json:6 /d");
  CHECK(json::place(document, "/absent") == "f.json /absent");
  CHECK(json::place(document, "") == "f.json");
  CHECK(document.root["a"]["b/c"][1] == 2);
}

TEST_CASE("every duplicate key is reported, with both lines") {
  Diagnostics diagnostics;
  json::parse("{\"a\": 1,\n\"b\": [{\"c\": 1, \"c\": {\"x\": 1}}],\n\"a\": {\"x\": 2}}", "f.json",
              diagnostics);
  REQUIRE(diagnostics.errors.size() == 2);
  CHECK(diagnostics.errors[0].place == "f.json:2 /b/0/c");
  CHECK(diagnostics.errors[1].place == "f.json:3 /a");
  CHECK_THAT(diagnostics.errors[1].cause, Catch::Contains("first on line 1"));
}

TEST_CASE("what would exhaust stack or memory is refused") {
  const Problem deep = only_problem(std::string(100000, '['));
  CHECK_THAT(deep.cause, Catch::Contains("nested"));
  const Problem large = only_problem(std::string(2 << 20, ' '));
  CHECK_THAT(large.cause, Catch::Contains("no file of settings"));
}

TEST_CASE("long values are cut between characters when shown") {
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  const std::string shown = json::found(umlauts);
  CHECK(shown.size() < 90);
  CHECK_NOTHROW(json::Json(shown).dump());  // strict about UTF-8
  CHECK(json::found(nullptr) == "null");
  CHECK(json::found({1, 2}) == "the list [1,2]");
  CHECK(json::found({{"a", 1}}) == "an object");
}

TEST_CASE("pretty text keeps short lists on a line and reads back") {
  const json::Json value{{"b", {1, 2.5, "x"}}, {"a", json::Json::object()}, {"c", {{{"d", nullptr}}}}};
  const std::string text = json::pretty(value);
  CHECK(text ==
        "{\n  \"a\": {},\n  \"b\": [1, 2.5, \"x\"],\n  \"c\": [\n    {\n      \"d\": null\n    }\n  ]\n}\n");
  CHECK(json::Json::parse(text) == value);
}

}  // namespace
}  // namespace qc
