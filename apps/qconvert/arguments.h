// The command line by CLI11, with our own help page and errors: a wrong option is answered with the nearest
// right one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace CLI {
class App;
}

namespace qc::app {

/// Fills what the app's options point at. False: --help was asked for and has been printed to stdout. Adds to
/// `problems`, all at once: unknown options, values that are none, missing ones, words too many, positionals
/// left out.
bool parse(CLI::App& app, const std::vector<std::string>& arguments, Diagnostics& problems);
/// The same for a command that has nothing else to look at: throws Error(kUsage) with them.
bool parse(CLI::App& app, const std::vector<std::string>& arguments);

/// A step of a look at all that the user asks for: what it throws as Error(kUsage) joins the other problems.
/// What else is wrong is for the command itself to find.
void collect(Diagnostics& problems, const std::function<void()>& step);

/// One page: usage, the options with their sentences, and `ending`.
void set_help_page(CLI::App& app, const std::string& usage, const std::string& ending);

/// Whether the command line says --log-format json, however wrong the rest of it is: errors are to be read by
/// machines from the first one on.
bool wants_json_log(const std::vector<std::string>& arguments);

/// What a command takes, as its help page says it.
struct OptionText {
  std::vector<std::string> names;  // "-o", "--output"; of a word without a dash: "MODEL"
  std::string argument, sentence;  // argument "": a flag
  bool is_word = false;            // stands without a dash
};
struct Page {
  std::string name, sentence, usage, example, ending;  // name: "qconvert compare"
  std::vector<OptionText> options;                     // words first
};

/// The page of a command without running it: `command` is called, and parse() answers with the page instead
/// of parsing.
Page page_of(const std::function<void()>& command);

/// Stands under the usage of the page of the command that runs next.
void set_example(const std::string& example);

/// Everything to stdout, flushed. A reader that went away is not an error; a full disk is: Error(kOutput).
void print_to_stdout(const std::string& text);

}  // namespace qc::app
