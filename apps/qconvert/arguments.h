// The command line by CLI11, with our own help page and errors: a wrong option is answered with the nearest
// right one.
#pragma once

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

/// Everything to stdout, flushed. A reader that went away is not an error; a full disk is: Error(kOutput).
void print_to_stdout(const std::string& text);

}  // namespace qc::app
