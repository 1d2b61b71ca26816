// See dense_kernels.h. No standard library here: what the linker merges of it must run on every processor.
#include "correct/dense_kernels.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>

#ifndef QC_KERNELS_FOR
#define QC_KERNELS_FOR for_all
#endif

namespace qc::correct::QC_KERNELS_FOR {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> view(ConstBlock block) {
  return {block.data, block.rows, block.columns, Eigen::OuterStride<>(block.stride)};
}

Eigen::Map<Matrix, 0, Eigen::OuterStride<>> view(Block block) {
  return {block.data, block.rows, block.columns, Eigen::OuterStride<>(block.stride)};
}

void add_product(double factor, ConstBlock a, ConstBlock b, bool transposed, Block out) {
  if (transposed)
    view(out).noalias() += factor * view(a) * view(b).transpose();
  else
    view(out).noalias() += factor * view(a) * view(b);
}

bool factorise(Block h) {
  auto matrix = view(h);
  return Eigen::LLT<Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>>(matrix).info() == Eigen::Success;
}

void divide(ConstBlock lower, bool transposed, Block x) {
  auto rows = view(x);
  const auto triangle = view(lower).triangularView<Eigen::Lower>();
  if (transposed)
    triangle.transpose().solveInPlace<Eigen::OnTheRight>(rows);
  else
    triangle.solveInPlace<Eigen::OnTheRight>(rows);
}

}  // namespace

const Kernels kKernels{add_product, factorise, divide};

}  // namespace qc::correct::QC_KERNELS_FOR
