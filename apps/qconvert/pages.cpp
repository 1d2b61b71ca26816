// What is made of every command's page: completion for three shells, and the manual. All of it is read from
// the same tables as --help, so an option cannot be known to one and unknown to another.
#include <CLI/CLI.hpp>

#include <algorithm>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "commands.h"
#include "pipeline.h"
#include "target/target.h"
#include "version.h"

namespace qc::app {
namespace {

std::vector<Page> all_pages() {
  std::vector<Page> pages;
  for (const Command& command : commands())
    pages.push_back(page_of([&] {
      set_example(command.example);
      command.run(command, {});
    }));
  return pages;
}

// The first page is qconvert itself: its name has no second word.
std::string word_of(const Page& page) {
  const size_t space = page.name.find(' ');
  return space == std::string::npos ? "" : page.name.substr(space + 1);
}

// --- what an argument can be

struct Values {
  std::vector<std::string> words;
  bool files = false, folders = false;
};

Values values_of(const std::string& argument) {
  if (argument == "DIR") return {{}, false, true};
  if (argument == "N" || argument == "NODE" || argument == "BOUND") return {};
  if (argument == "FORM") return {{"text", "json", "markdown", "html"}, false, false};
  if (argument == "LIST") return {{"onnx", "tflite", "onnx,tflite"}, false, false};
  if (argument == "STAGE") return {dump_stages(), false, false};
  if (argument == "STYLE") return {{"text", "json"}, false, false};
  if (argument == "SHELL") return {{"bash", "zsh", "fish"}, false, false};
  if (argument == "NAME|FILE.json") return {target::shipped_names(), true, false};
  return {{}, true, false};
}

std::vector<std::string> dashed_names(const Page& page) {
  std::vector<std::string> names;
  for (const OptionText& option : page.options)
    if (!option.is_word) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

// In single quotes for any shell.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// --- bash

std::string bash_case(const Page& page) {
  std::string text;
  for (const OptionText& option : page.options) {
    if (option.is_word || option.argument.empty()) continue;
    const Values values = values_of(option.argument);
    std::string reply =
        format("COMPREPLY=($(compgen -W {} -- \"$word\"))", shell_quoted(join(values.words, " ")));
    if (values.files) reply += "; COMPREPLY+=($(compgen -f -- \"$word\"))";
    if (values.folders) reply = "COMPREPLY=($(compgen -d -- \"$word\"))";
    text += format("        {}) {}; return ;;\n", join(option.names, "|"), reply);
  }
  return text;
}

std::string bash_script(const std::vector<Page>& pages) {
  std::vector<std::string> commands;
  std::string cases;
  for (const Page& page : pages) {
    const std::string word = word_of(page);
    if (!word.empty()) commands.push_back(word);
    cases += format("    {})\n      case \"$before\" in\n{}      esac\n      options={}\n      ;;\n",
                    word.empty() ? "''" : word, bash_case(page), shell_quoted(join(dashed_names(page), " ")));
  }
  return format(R"(# Completion of qconvert for bash, made by: qconvert completion bash
_qconvert() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command='' options=''
  local commands={}
  [[ $COMP_CWORD -gt 1 && " $commands " == *" ${{COMP_WORDS[1]}} "* ]] && command=${{COMP_WORDS[1]}}
  case "$command" in
{}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
    [[ $COMP_CWORD -eq 1 ]] && COMPREPLY+=($(compgen -W "$commands" -- "$word"))
    [[ $command == targets ]] && COMPREPLY+=($(compgen -W {} -- "$word"))
    [[ $command == completion ]] && COMPREPLY=($(compgen -W 'bash zsh fish' -- "$word"))
  fi
  return 0
}}
complete -o filenames -F _qconvert qconvert
)",
                shell_quoted(join(commands, " ")), cases, shell_quoted(join(target::shipped_names(), " ")));
}

// --- zsh

std::string zsh_action(const Values& values) {
  if (values.folders) return "_files -/";
  if (values.words.empty()) return values.files ? "_files" : " ";
  const std::string words = "(" + join(values.words, " ") + ")";
  return words;
}

// Brackets and colons mean something in a specification.
std::string zsh_escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe;
}

std::string zsh_specifications(const Page& page) {
  std::string text;
  for (const OptionText& option : page.options) {
    if (option.is_word) continue;
    for (const std::string& name : option.names) {
      std::string specification = format("*{}[{}]", name, zsh_escaped(option.sentence));
      if (!option.argument.empty())
        specification +=
            format(":{}:{}", zsh_escaped(option.argument), zsh_action(values_of(option.argument)));
      text += format("        {} \\\n", shell_quoted(specification));
    }
  }
  return text;
}

std::string zsh_script(const std::vector<Page>& pages) {
  std::string commands, cases;
  for (const Page& page : pages) {
    const std::string word = word_of(page);
    const std::string rest = word == "completion" ? "'*:shell:(bash zsh fish)'"
                             : word == "targets"  ? "'*:target:(" + join(target::shipped_names(), " ") + ")'"
                                                  : "'*:file:_files'";
    if (!word.empty()) commands += format("    {}\n", shell_quoted(word + ":" + zsh_escaped(page.sentence)));
    cases += format("    {})\n      _arguments \\\n{}        {}\n      ;;\n", word.empty() ? "*" : word,
                    zsh_specifications(page), rest);
    if (word.empty()) continue;
  }
  // The page without a word is the case that is left, so it comes last.
  const size_t first_end = cases.find(";;\n") + 3;
  cases = cases.substr(first_end) + cases.substr(0, first_end);
  return format(R"(#compdef qconvert
# Completion of qconvert for zsh, made by: qconvert completion zsh
_qconvert() {{
  local -a commands
  commands=(
{}  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe 'subcommand' commands
    _files
    return
  fi
  local command=$words[2]
  case "$command" in
{}  esac
}}
_qconvert "$@"
)",
                commands, cases);
}

// --- fish

std::string fish_option(const OptionText& option, const std::string& condition) {
  std::string line = format("complete -c qconvert -n {}", shell_quoted(condition));
  for (const std::string& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!option.argument.empty()) {
    const Values values = values_of(option.argument);
    line += values.files ? " -r" : " -x";
    if (values.folders) line += " -a '(__fish_complete_directories)'";
    if (!values.words.empty()) line += " -a " + shell_quoted(join(values.words, " "));
  }
  return line + " -d " + shell_quoted(option.sentence) + "\n";
}

std::string fish_script(const std::vector<Page>& pages) {
  std::vector<std::string> words;
  for (const Page& page : pages)
    if (!word_of(page).empty()) words.push_back(word_of(page));
  std::string text = "# Completion of qconvert for fish, made by: qconvert completion fish\n";
  const std::string none = "not __fish_seen_subcommand_from " + join(words, " ");
  for (const Page& page : pages) {
    const std::string word = word_of(page);
    if (!word.empty())
      text += format("complete -c qconvert -n '__fish_use_subcommand' -a {} -d {}\n", word,
                     shell_quoted(page.sentence));
    const std::string condition = word.empty() ? none : "__fish_seen_subcommand_from " + word;
    for (const OptionText& option : page.options)
      if (!option.is_word) text += fish_option(option, condition);
  }
  text += format("complete -c qconvert -n '__fish_seen_subcommand_from targets' -a {}\n",
                 shell_quoted(join(target::shipped_names(), " ")));
  text += "complete -c qconvert -n '__fish_seen_subcommand_from completion' -x -a 'bash zsh fish'\n";
  return text;
}

// --- man

// Text as troff has it: no dash may become a hyphen, no line may begin with a command.
std::string troff(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '-' || c == '\\') safe += '\\';
    safe += c == '\\' ? "e" : std::string(1, c);
    if (c == '\n') safe += "\\&";
  }
  return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string usage_of(const Page& page) {
  return page.usage.starts_with("usage: ") ? page.usage.substr(7) : page.usage;
}

std::string man_options(const Page& page) {
  std::string text;
  for (const OptionText& option : page.options) {
    std::vector<std::string> names;
    for (const std::string& name : option.names) names.push_back("\\fB" + troff(name) + "\\fR");
    text += ".TP\n" + join(names, ", ");
    if (!option.argument.empty()) text += " \\fI" + troff(option.argument) + "\\fR";
    text += "\n" + troff(option.sentence) + "\n";
  }
  return text;
}

std::string man_page(const std::vector<Page>& pages) {
  std::string text = format(".TH QCONVERT 1 \"\" \"qconvert {}\" \"User Commands\"\n", qconvert_version());
  text +=
      ".SH NAME\nqconvert \\- quantize float32 ONNX models to ONNX and TFLite files of integers\n.SH "
      "SYNOPSIS\n";
  for (const Page& page : pages) text += ".B " + troff(usage_of(page)) + "\n.br\n";
  text += ".SH DESCRIPTION\n" + troff(pages[0].sentence) +
          ". What to do stands in the core\\-config; \\fBqconvert config\\fR prints one with every default, "
          "\\fBqconvert schema\\fR its JSON schema.\n";
  for (const Page& page : pages) {
    text += word_of(page).empty() ? ".SH OPTIONS\n"
                                  : format(".SH \"{}\"\n{}.\n", troff(page.name), troff(page.sentence));
    text += man_options(page);
    if (word_of(page).empty() || page.ending.empty()) continue;
    text += ".PP\n.nf\n\\&" + troff(page.ending) + "\n.fi\n";
  }
  text += ".SH EXAMPLES\n.nf\n";
  for (const Page& page : pages) text += troff(page.example) + "\n";
  text += ".fi\n.SH \"EXIT STATUS\"\n";
  for (const ExitCode& code : exit_codes()) text += format(".TP\n{}\n{}\n", code.number, troff(code.meaning));
  return text;
}

struct Shell {
  const char* name;
  std::string (*script)(const std::vector<Page>& pages);
};
constexpr Shell kShells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

}  // namespace

int completion_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert completion");
  std::string name;
  app.add_option("SHELL", name, "bash, zsh or fish")->required();
  set_help_page(app, "usage: qconvert completion SHELL", "");
  if (!parse(app, arguments)) return 0;
  std::vector<std::string> names;
  for (const Shell& shell : kShells) {
    if (name == shell.name) {
      print_to_stdout(shell.script(all_pages()));
      return 0;
    }
    names.emplace_back(shell.name);
  }
  const std::string meant = nearest(name, names);
  throw Error(Exit::kUsage,
              {"unknown-shell", "qconvert completion " + name, "there is no completion for it",
               meant.empty() ? "use one of " + join(names, ", ") : format("did you mean {}?", meant)});
}

int man_command(const Command& self, const Arguments& arguments) {
  CLI::App app(self.sentence, "qconvert man");
  set_help_page(app, "usage: qconvert man", "");
  if (parse(app, arguments)) print_to_stdout(man_page(all_pages()));
  return 0;
}

}  // namespace qc::app
