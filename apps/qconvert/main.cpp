// The door of the program: signals, the choice of a subcommand, and the one place where errors become exit
// codes. What the subcommands do stands in commands.cpp, what they take in the same table that --help is made
// from.
#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "commands.h"

namespace {

constexpr const char* kReportBug = "please report this with the command line and, if possible, the model";

int failed(const qc::Error& error) {
  std::string text = error.what();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  qc::log::error(text);
  return static_cast<int>(error.exit);
}

int run(const std::vector<std::string>& arguments) {
  try {
    return qc::app::run_command(arguments);
  } catch (const qc::Error& error) {
    return failed(error);
  } catch (const std::bad_alloc&) {
    return failed({qc::Exit::kInput,
                   {"out-of-memory", "this run", "there is not enough memory for this model and these inputs",
                    "fewer --threads need less memory; otherwise use a machine with more of it"}});
  } catch (const std::exception& error) {
    return failed({qc::Exit::kBug, {"bug", "qconvert", error.what(), kReportBug}});
  } catch (...) {
    return failed({qc::Exit::kBug, {"bug", "qconvert", "an exception without a name", kReportBug}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `qconvert ... | head` ends the printing, not the conversion
  qc::install_interrupt_handler();
  return run(std::vector<std::string>(argv + 1, argv + argc));
}
