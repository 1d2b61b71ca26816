// The door of the program: signals, the choice of a subcommand, and the one place where errors become exit
// codes. The subcommands stand in a table (commands.h), from which --help is made too.
#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "arguments.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "commands.h"

namespace {

constexpr const char* kReportBug = "please report this with the command line and, if possible, the model";

int failed(const qc::Error& error) {
  qc::log::error(error.problems);
  return static_cast<int>(error.exit);
}

int run(const std::vector<std::string>& arguments) {
  if (qc::app::wants_json_log(arguments)) qc::log::set_format(qc::log::Format::kJson);
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

// Activations of a few MB are taken and given back thousands of times a second. By default each would be
// mapped and faulted in anew, and every thread's heap would keep its own peak: one heap that keeps what it
// has is faster and much smaller. The largest are mapped all the same: they find no hole to fit in, and on a
// model with tensors of 13 MB the heap would end up 20 to 70 MB larger, for an eighth of the time. Sanitizers
// bring an allocator of their own and ignore this.
void tune_heap() {
#ifdef __GLIBC__
  constexpr int kMegabyte = 1 << 20;
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 3 * kMegabyte);
  mallopt(M_TRIM_THRESHOLD, 64 * kMegabyte);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  tune_heap();
  std::signal(SIGPIPE, SIG_IGN);  // `qconvert ... | head` ends the printing, not the conversion
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f` is a write that fails, as on a full disk
  qc::install_interrupt_handler();
  return run(std::vector<std::string>(argv + 1, argv + argc));
}
