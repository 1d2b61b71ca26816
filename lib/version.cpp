// See version.h.
#include "version.h"

namespace qc {

std::string qconvert_version() {
  return QCONVERT_VERSION;
}

}  // namespace qc
