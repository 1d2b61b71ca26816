// Products and factors of large matrices, by the best instructions that the processor has, and by several
// threads where a matrix is large: what second-order rounding spends its time on. The same numbers for every
// number of threads; other processors may give others in the last bits, as they do in the runtime.
#pragma once

#include <Eigen/Core>
#include <cstdint>

namespace qc::correct {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Ref<const Matrix, 0, Eigen::OuterStride<>>;

/// a b
Matrix product(const MatrixView& a, const MatrixView& b);
/// Rows of a matrix that are worked on together, of so many columns: by size alone, so that sums are the same
/// for every number of threads.
int64_t rows_together(int64_t columns);
/// The lower triangle of h = L L^T becomes L, the upper one means nothing; false: h is not positive definite.
bool factorise(Matrix& h, int threads);
/// x (L L^T)^-1, by row
void solve(const Matrix& lower, Matrix& x);

}  // namespace qc::correct
