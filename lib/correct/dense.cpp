// See dense.h.
#include "correct/dense.h"

#include <algorithm>

#include "base/parallel.h"
#include "correct/dense_kernels.h"

namespace qc::correct {
namespace {

constexpr int64_t kStep = 256;  // columns of a factor between two products
constexpr int64_t kLong = 1024, kFewRows = 32, kManyRows = 64;

const Kernels& kernels() {
#ifdef QC_AVX2_KERNELS
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2) return for_avx2::kKernels;
#endif
  return for_all::kKernels;
}

ConstBlock whole(const MatrixView& m) {
  return {m.data(), m.rows(), m.cols(), m.outerStride()};
}

Block part(Matrix& m, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  return {m.data() + row * m.cols() + column, rows, columns, m.cols()};
}

ConstBlock read(const Block& block) {
  return {block.data, block.rows, block.columns, block.stride};
}

}  // namespace

Matrix product(const MatrixView& a, const MatrixView& b) {
  Matrix out = Matrix::Zero(a.rows(), b.cols());
  kernels().add_product(1, whole(a), whole(b), false, part(out, 0, 0, out.rows(), out.cols()));
  return out;
}

int64_t rows_together(int64_t columns) {
  return columns < kLong ? kFewRows : kManyRows;
}

bool factorise(Matrix& h, int threads) {
  const Kernels& use = kernels();
  const int64_t size = h.rows();
  for (int64_t k = 0; k < size; k += kStep) {
    const int64_t here = std::min(kStep, size - k), below = k + here;
    const Block corner = part(h, k, k, here, here);
    if (!use.factorise(corner)) return false;
    const int64_t blocks = (size - below + kStep - 1) / kStep;
    const auto rows_of = [&](int64_t b) { return std::min(kStep, size - below - b * kStep); };
    parallel_for(blocks, threads, [&](int64_t b, int) {
      use.divide(read(corner), true, part(h, below + b * kStep, k, rows_of(b), here));
    });
    // The longest rows first, so that threads end together.
    parallel_for(blocks, threads, [&](int64_t index, int) {
      const int64_t b = blocks - 1 - index, row = below + b * kStep, columns = b * kStep + rows_of(b);
      use.add_product(-1, read(part(h, row, k, rows_of(b), here)), read(part(h, below, k, columns, here)),
                      true, part(h, row, below, rows_of(b), columns));
    });
  }
  return true;
}

void solve(const Matrix& lower, Matrix& x) {
  const Block rows = part(x, 0, 0, x.rows(), x.cols());
  kernels().divide(whole(lower), true, rows);
  kernels().divide(whole(lower), false, rows);
}

}  // namespace qc::correct
