// See idioms.h.
#include "plan/idioms.h"

namespace qc::plan {

const char* name_of(IdiomKind kind) {
  switch (kind) {
    case IdiomKind::kHardSwish:
      return "HardSwish";
    case IdiomKind::kSilu:
      return "SiLU";
    case IdiomKind::kGelu:
      return "GELU";
    case IdiomKind::kGeluTanh:
      return "GELU (tanh)";
    case IdiomKind::kLayerNorm:
      return "LayerNorm";
    case IdiomKind::kAttention:
      return "attention";
  }
  return "unknown";
}

const char* op_of(IdiomKind kind) {
  switch (kind) {
    case IdiomKind::kHardSwish:
      return "HardSwish";
    case IdiomKind::kSilu:
      return "Swish";
    case IdiomKind::kGelu:
    case IdiomKind::kGeluTanh:
      return "Gelu";
    default:
      return "";
  }
}

}  // namespace qc::plan
