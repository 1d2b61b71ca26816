// See interrupt.h.
#include "base/interrupt.h"

#include <csignal>

#include "base/error.h"

namespace qc {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int signal_number) {
  if (interrupted) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
  interrupted = 1;
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

void throw_if_interrupted() {
  if (interrupted)
    throw Error(Exit::kInterrupted,
                {"interrupted", "this run", "it was stopped by a signal; nothing half-written is left",
                 "start it again; a conversion with --resume goes on from the layers that "
                 "it had corrected"});
}

}  // namespace qc
