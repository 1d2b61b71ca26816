// What dense.cpp does with blocks of matrices. Eigen decides when it is compiled which instructions it uses,
// so dense_kernels.cpp is compiled once for every processor and once for those with AVX2 (CMakeLists.txt),
// each time with names of its own, and dense.cpp takes what fits.
#pragma once

#include <cstdint>

namespace qc::correct {

/// Row-major; `stride` numbers from row to row.
struct ConstBlock {
  const double* data;
  int64_t rows, columns, stride;
};
struct Block {
  double* data;
  int64_t rows, columns, stride;
};

struct Kernels {
  /// out += factor a b, or a b^T
  void (*add_product)(double factor, ConstBlock a, ConstBlock b, bool transposed, Block out);
  /// The lower triangle of h = L L^T becomes L; false: h is not positive definite.
  bool (*factorise)(Block h);
  /// x becomes x L^-1, or x L^-T.
  void (*divide)(ConstBlock lower, bool transposed, Block x);
};

namespace for_all {
extern const Kernels kKernels;
}
namespace for_avx2 {
extern const Kernels kKernels;
}

}  // namespace qc::correct
