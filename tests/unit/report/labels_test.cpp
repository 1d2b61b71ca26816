// Labels, ranks, and the interval of a paired difference.
#include "compare/labels.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include "base/error.h"

using namespace qc;

TEST_CASE("labels are read by their header", "[labels]") {
  const Labels plain{{"a.jpg", 6}, {"b.jpg", 0}};
  CHECK(parse_labels("file,class_index\na.jpg,6\nb.jpg,0\n", "l.csv") == plain);
  CHECK(parse_labels("class_index,file\r\n6,a.jpg\r\n0,b.jpg", "l.csv") == plain);
  CHECK(parse_labels("\xEF\xBB\xBF"
                     "file, name ,class_index\n a.jpg , dog , 6 \n\nb.jpg,cat,0\n",
                     "l.csv") == plain);
  CHECK(parse_labels("file,class_index\nsome/folder/a.jpg,6\n\"b.jpg\",0\n", "l.csv") == plain);
  CHECK(parse_labels("file,class_index\n\"a,\"\"b\"\".jpg\",1\n", "l.csv") == Labels{{"a,\"b\".jpg", 1}});
  CHECK(parse_labels("file,class_index\na.jpg,6\na.jpg,6\n", "l.csv").size() == 1);
}

TEST_CASE("every wrong line of a label file is named", "[labels]") {
  const auto problems = [](const char* csv) {
    try {
      parse_labels(csv, "l.csv");
    } catch (const Error& error) {
      CHECK(error.exit == Exit::kInput);
      return error.problems;
    }
    return std::vector<Problem>{};
  };
  CHECK(problems("").at(0).cause.find("'file'") != std::string::npos);
  CHECK(problems("file,label\na.jpg,1\n").at(0).cause.find("'class_index'") != std::string::npos);
  const std::vector<Problem> wrong =
      problems("file,class_index\na.jpg\nb.jpg,cat\nc.jpg,-1\nd.jpg,1\nd.jpg,2\ne.jpg,1x\n");
  REQUIRE(wrong.size() == 5);
  CHECK(wrong[0].place == "l.csv: line 2");
  CHECK(wrong[1].cause.find("'cat'") != std::string::npos);
  CHECK(wrong[3].cause.find("2 after 1") != std::string::npos);
  CHECK(wrong[4].place == "l.csv: line 7");
}

TEST_CASE("the rank of a class is how many beat it, ties going to the lower index", "[labels]") {
  const std::vector<float> scores{0.1f, 0.7f, 0.7f, -1.0f, NAN};
  CHECK(rank_of(scores, 1) == 0);
  CHECK(rank_of(scores, 2) == 1);
  CHECK(rank_of(scores, 0) == 2);
  CHECK(rank_of(scores, 3) == 3);
  CHECK(rank_of(scores, 4) == 5);
}

TEST_CASE("the interval of a paired difference is that of the paper's formula", "[labels]") {
  // By hand: cells 10.5 and 4.5 of 102; centre -6/102, standard error sqrt(15 - 36/102)/102.
  const PairedDifference some = paired_difference(10, 4, 100);
  CHECK(some.difference == Approx(-0.06));
  CHECK(some.low == Approx(-0.1323634).epsilon(1e-5));
  CHECK(some.high == Approx(0.0147164).epsilon(1e-5));
}

TEST_CASE("models that never disagree still leave some doubt", "[labels]") {
  const PairedDifference none = paired_difference(0, 0, 50);
  CHECK(none.difference == 0);
  CHECK(none.low == Approx(-none.high));
  CHECK(none.high == Approx(1.959964 / 52).epsilon(1e-5));  // sqrt(1)/52
  CHECK(paired_difference(0, 30, 30).high <= 1);
  CHECK(paired_difference(0, 0, 0).high == 0);
}
