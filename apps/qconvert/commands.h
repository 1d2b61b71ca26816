// The subcommands in one table: a name, a sentence, an example and a function. Dispatch, --help and "did you
// mean" are made from it; another subcommand is one row and one function.
#pragma once

#include <string>
#include <vector>

namespace qc::app {

using Arguments = std::vector<std::string>;

struct Command {
  std::string name;  // "" is the command without a word: the conversion
  std::string sentence;
  std::string example;
  int (*run)(const Command& self, const Arguments& arguments);
};

const std::vector<Command>& commands();

struct ExitCode {
  int number;
  const char* meaning;
};
const std::vector<ExitCode>& exit_codes();

// convert_commands.cpp
int convert_command(const Command& self, const Arguments& arguments);
int frontier_command(const Command& self, const Arguments& arguments);
int fix_command(const Command& self, const Arguments& arguments);
int survey_command(const Command& self, const Arguments& arguments);
// look_commands.cpp
int inspect_command(const Command& self, const Arguments& arguments);
int compare_command(const Command& self, const Arguments& arguments);
// commands.cpp
int targets_command(const Command& self, const Arguments& arguments);
int schema_command(const Command& self, const Arguments& arguments);
int config_command(const Command& self, const Arguments& arguments);
// pages.cpp, doctor.cpp
int completion_command(const Command& self, const Arguments& arguments);
int man_command(const Command& self, const Arguments& arguments);
int doctor_command(const Command& self, const Arguments& arguments);

/// Runs the command that the first argument names, else the conversion. Returns the exit code; throws Error.
int run_command(const Arguments& arguments);

}  // namespace qc::app
