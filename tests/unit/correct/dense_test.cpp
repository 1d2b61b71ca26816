// Factors and products of matrices larger than one step of theirs, by the kernels of every processor and by
// those of this one.
#include "correct/dense.h"

#include <catch2/catch.hpp>
#include <random>

#include "correct/dense_kernels.h"

using namespace qc::correct;

namespace {

Matrix random_matrix(int64_t rows, int64_t columns) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  Matrix m(rows, columns);
  for (int64_t i = 0; i < m.size(); ++i) m.data()[i] = normal(random);
  return m;
}

Matrix definite(int64_t size) {
  const Matrix m = random_matrix(size, size);
  return m * m.transpose() + Matrix(Matrix::Identity(size, size));
}

}  // namespace

TEST_CASE("a factor of many steps solves what it factorises, whatever the thread count") {
  const int64_t size = GENERATE(5, 256, 600);
  const Matrix h = definite(size), x = random_matrix(7, size);
  Matrix one = h, three = h;
  REQUIRE(factorise(one, 1));
  REQUIRE(factorise(three, 3));
  CHECK(one == three);
  const Matrix lower = one.triangularView<Eigen::Lower>();
  CHECK((lower * lower.transpose() - h).norm() < 1e-9 * h.norm());
  Matrix solved = x;
  solve(one, solved);
  CHECK((solved * h - x).norm() < 1e-6 * x.norm());
  CHECK((product(x, h) - x * h).norm() < 1e-9 * (x * h).norm());
}

TEST_CASE("what is not positive definite has no factor, wherever that shows") {
  for (const int64_t bad : {0, 300, 599}) {
    Matrix h = definite(600);
    h(bad, bad) = -1;
    CHECK_FALSE(factorise(h, 2));
  }
}

TEST_CASE("kernels of this processor agree with those of every other") {
  const Matrix a = random_matrix(33, 70), b = random_matrix(70, 41);
  Matrix plain = Matrix::Zero(33, 41);
  for_all::kKernels.add_product(1, {a.data(), 33, 70, 70}, {b.data(), 70, 41, 41}, false,
                                {plain.data(), 33, 41, 41});
  CHECK((product(a, b) - plain).norm() < 1e-12 * plain.norm());
}
