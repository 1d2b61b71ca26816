// The command line by CLI11, with our own help page and errors: a wrong option is answered with the nearest
// right one.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace qc::app {

/// Fills what the app's options point at. False: --help was asked for and has been printed to stdout. Throws
/// Error(kUsage) for unknown options, missing values, words too many, and positionals left out.
bool parse(CLI::App& app, const std::vector<std::string>& arguments);

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
