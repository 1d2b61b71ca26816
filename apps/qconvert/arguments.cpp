// See arguments.h. CLI11 stays in this folder.
#include "arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "report/table.h"

namespace qc::app {
namespace {

Error usage_error(const std::string& cause, const std::string& remedy) {
  return {Exit::kUsage, {"usage", "command line", cause, remedy}};
}

std::string see_help(const CLI::App& app) {
  return format("'{} --help' lists the options", app.get_name());
}

// The first word that nobody took, options first: a mistyped option often leaves its value behind as a word
// too many.
void refuse_leftovers(const CLI::App& app) {
  std::vector<std::string> left = app.remaining();
  if (left.empty()) return;
  const auto is_option = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  std::stable_partition(left.begin(), left.end(), is_option);
  const std::string word = left.front().substr(0, left.front().find('='));
  if (!is_option(word)) throw usage_error(format("'{}' is one word too many", word), see_help(app));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string meant = nearest(word, known);
  throw usage_error(format("there is no option {}", word),
                    meant.empty() ? see_help(app) : format("did you mean {}?", meant));
}

// Of the command that is being run.
std::string usage_line, example_line, ending_lines;
Page* asked = nullptr;  // set: parse() fills it and reads nothing

Page page_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  std::stable_partition(options.begin(), options.end(),
                        [](const CLI::Option* o) { return o->get_positional(); });
  Page page{app.get_name(), app.get_description(), usage_line, example_line, ending_lines, {}};
  for (const CLI::Option* option : options) {
    OptionText text{{}, "", option->get_description(), option->get_positional()};
    if (text.is_word) {
      text.names = {option->get_name(true)};
    } else {
      for (const std::string& name : option->get_snames()) text.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) text.names.push_back("--" + name);
      text.argument = option->get_type_name();
    }
    page.options.push_back(std::move(text));
  }
  return page;
}

std::string help_page(const Page& page) {
  std::vector<report::Row> rows;
  for (const OptionText& option : page.options)
    rows.push_back(
        {join(option.names, ",") + (option.argument.empty() ? "" : " " + option.argument), option.sentence});
  const std::string example = page.example.empty() ? "" : "example: " + page.example + "\n";
  return format("{}\n\n{}\n{}\n{}{}", page.sentence, page.usage, example, report::columns(rows, "ll"),
                page.ending);
}

}  // namespace

void set_help_page(CLI::App& app, const std::string& usage, const std::string& ending) {
  app.set_help_flag("-h,--help", "this page");
  usage_line = usage;
  ending_lines = ending;
  app.formatter_fn(
      [](const CLI::App* self, const std::string&, CLI::AppFormatMode) { return help_page(page_of(*self)); });
}

void set_example(const std::string& example) {
  example_line = example;
}

Page page_of(const std::function<void()>& command) {
  Page page;
  asked = &page;
  command();
  asked = nullptr;
  return page;
}

bool wants_json_log(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--log-format=json") return true;
    if (arguments[i] == "--log-format" && i + 1 < arguments.size() && arguments[i + 1] == "json") return true;
  }
  return false;
}

bool parse(CLI::App& app, const std::vector<std::string>& arguments) {
  if (asked) {
    *asked = page_of(app);
    return false;
  }
  app.allow_extras();
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // the order that CLI11 wants
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    print_to_stdout(app.help());
    return false;
  } catch (const CLI::RequiredError& error) {
    refuse_leftovers(app);
    throw usage_error(error.what(), see_help(app));
  } catch (const CLI::ParseError& error) {
    throw usage_error(error.what(), see_help(app));
  }
  refuse_leftovers(app);
  return true;
}

void print_to_stdout(const std::string& text) {
  errno = 0;
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written || errno == EPIPE) return;
  throw Error(Exit::kOutput,
              {"cannot-write", "standard output", std::strerror(errno), "redirect it to a place with room"});
}

}  // namespace qc::app
