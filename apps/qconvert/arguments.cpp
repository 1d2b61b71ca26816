// See arguments.h. CLI11 stays in this folder.
#include "arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "report/table.h"

namespace qc::app {
namespace {

void add(Diagnostics& problems, const std::string& cause, const std::string& remedy) {
  problems.error({"usage", "command line", cause, remedy});
}

std::string see_help(const CLI::App& app) {
  return format("'{} --help' lists the options", app.get_name());
}

void refuse_option(const CLI::App& app, const std::string& word, Diagnostics& problems) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string meant = nearest(word, known);
  std::error_code missing;
  const bool is_file = std::filesystem::exists(word, missing);
  add(problems, format("there is no option {}", word),
      is_file         ? format("write ./{} for the file of that name", word)
      : meant.empty() ? see_help(app)
                      : format("did you mean {}?", meant));
}

// The words that nobody took. A mistyped option often leaves its value behind as a word too many: of words
// nothing is said then. Behind "--", which CLI11 hands on as well, there are no options.
void refuse_leftovers(const CLI::App& app, Diagnostics& problems) {
  std::vector<std::string> options, words;
  bool words_alone = false;
  for (const std::string& word : app.remaining()) {
    if (word == "--" && !words_alone) {
      words_alone = true;
      continue;
    }
    const bool is_option = !words_alone && word.size() > 1 && word[0] == '-';
    const std::string name = is_option ? word.substr(0, word.find('=')) : word;
    std::vector<std::string>& list = is_option ? options : words;
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  }
  for (const std::string& option : options) refuse_option(app, option, problems);
  if (!options.empty()) return;
  for (const std::string& word : words)
    add(problems, format("'{}' is one word too many", word),
        words_alone && word[0] == '-' ? "options stand in front of --" : see_help(app));
}

// CLI11 stops at the first value that is none: the other options have theirs as text by then.
void refuse_values(CLI::App& app, const std::string& first, Diagnostics& problems) {
  add(problems, first, see_help(app));
  for (CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr() || option->count() == 0 || option->get_callback_run()) continue;
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      if (error.what() != first) add(problems, error.what(), see_help(app));
    }
  }
}

void refuse_combinations(CLI::App& app, Diagnostics& problems) {
  const std::vector<CLI::Option*> options = app.get_options();
  for (auto one = options.begin(); one != options.end(); ++one) {
    if ((*one)->get_required() && (*one)->count() == 0)
      add(problems, CLI::RequiredError((*one)->get_name()).what(), see_help(app));
    for (auto other = options.begin(); other != one; ++other)  // CLI11 has it on both sides
      if ((*one)->count() > 0 && (*other)->count() > 0 && (*one)->get_excludes().contains(*other))
        add(problems, CLI::ExcludesError((*one)->get_name(), (*other)->get_name()).what(), see_help(app));
  }
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

bool parse(CLI::App& app, const std::vector<std::string>& arguments, Diagnostics& problems) {
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
  } catch (const CLI::RequiredError&) {  // found below, with the others
  } catch (const CLI::ExcludesError&) {
  } catch (const CLI::ParseError& error) {
    refuse_values(app, error.what(), problems);
  }
  refuse_leftovers(app, problems);
  refuse_combinations(app, problems);
  return true;
}

bool parse(CLI::App& app, const std::vector<std::string>& arguments) {
  Diagnostics problems;
  const bool run = parse(app, arguments, problems);
  problems.throw_if_errors(Exit::kUsage);
  return run;
}

void collect(Diagnostics& problems, const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& error) {
    if (error.exit != Exit::kUsage) return;
    problems.errors.insert(problems.errors.end(), error.problems.begin(), error.problems.end());
  }
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
