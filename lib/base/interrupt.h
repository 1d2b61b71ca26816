// Ctrl-C as a flag that long loops ask for, so that temporary files are removed and nothing half-written
// stays.
#pragma once

namespace qc {

/// SIGINT and SIGTERM set the flag from now on; a second one ends the process at once.
void install_interrupt_handler();

/// Throws qc::Error(Exit::kInterrupted) once the flag is set.
void throw_if_interrupted();

}  // namespace qc
