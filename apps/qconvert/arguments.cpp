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

std::string help_page(const CLI::App& app, const std::string& usage, const std::string& ending) {
  std::vector<const CLI::Option*> options = app.get_options();
  std::stable_partition(options.begin(), options.end(),
                        [](const CLI::Option* o) { return o->get_positional(); });
  std::vector<report::Row> rows;
  for (const CLI::Option* option : options) {
    std::string name = option->get_positional() ? option->get_name(true) : option->get_name(false, true);
    if (!option->get_positional() && !option->get_type_name().empty()) name += " " + option->get_type_name();
    rows.push_back({name, option->get_description()});
  }
  return format("{}\n\n{}\n\n{}{}", app.get_description(), usage, report::columns(rows, "ll"), ending);
}

}  // namespace

void set_help_page(CLI::App& app, const std::string& usage, const std::string& ending) {
  app.set_help_flag("-h,--help", "this page");
  app.formatter_fn([usage, ending](const CLI::App* self, const std::string&, CLI::AppFormatMode) {
    return help_page(*self, usage, ending);
  });
}

bool parse(CLI::App& app, const std::vector<std::string>& arguments) {
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
