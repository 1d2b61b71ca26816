// --gate: what is understood, what is refused and with which remedy, and what is judged.
#include "report/comparison_gates.h"

#include <catch2/catch.hpp>

#include <cmath>

#include "base/error.h"

using namespace qc;
using namespace qc::report;

namespace {

Comparison measured() {
  ComparedModel a, b;
  a.letter = "A", b.letter = "B";
  a.size = 4000, b.size = 1000;
  a.compressed_size = 2000, b.compressed_size = 900;
  a.one_thread = Latency{1, 20, 8, 7, 9, 1};
  b.one_thread = Latency{1, 20, 4, 3, 5, 2};
  b.outputs = {{"x", "x", 30, 0.99, 0.25, false, "", "x"}, {"y", "y", 20, 0.95, 0.5, false, "", "y"}};
  b.agreement = 0.97;
  b.labelled = LabelledAccuracy{100, 0.8, 0.79, 0.9, 0.905, 2, 1, -0.01, -0.03, 0.01};
  Comparison c;
  c.models = {a, b};
  return c;
}

std::string problems_of(const std::vector<std::string>& gates, bool labels = true, bool timing = true) {
  try {
    Comparison c = measured();
    judge(c, parse_gates(gates, labels, timing));
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kUsage);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("each gate is judged by its own figure, in its own unit", "[compare]") {
  struct Case {
    const char* gate;
    double figure;
    bool held;
  };
  const Case cases[] = {{"sqnr_db >= 20 dB", 20, true},        {"sqnr_db>20", 20, false},
                        {"cosine >= 0.96", 0.95, false},       {"max_abs_error < 0.6", 0.5, true},
                        {"agreement >= 98 %", 0.97, false},    {"agreement >= 0.97", 0.97, true},
                        {"top1 >= 79%", 0.79, true},           {"top1_drop <= 1.001", 1, true},
                        {"top1_drop <= 0.5 points", 1, false}, {"top5_drop <= 0", -0.5, true},
                        {"size <= 1 kB", 1000, true},          {"size < 1kB", 1000, false},
                        {"size_ratio <= 25 %", 0.25, true},    {"compressed_ratio <= 0.4", 0.45, false},
                        {"speedup >= 2 x", 2, true},           {"latency_ms <= 3.5 ms", 4, false}};
  for (const Case& one : cases) {
    INFO(one.gate);
    Comparison c = measured();
    CHECK(judge(c, parse_gates({one.gate}, true, true)) == one.held);
    REQUIRE(c.gates.size() == 1);
    CHECK(c.gates[0].figure == Approx(one.figure));
    CHECK(c.gates[0].held == one.held);
  }
}

TEST_CASE("a figure that is not a number holds no gate", "[compare]") {
  Comparison c = measured();
  c.models[1].outputs[0].sqnr_db = std::nan("");
  CHECK_FALSE(judge(c, parse_gates({"sqnr_db >= 0"}, true, true)));
}

TEST_CASE("gates that are none are refused together, with what was meant", "[compare]") {
  const std::string said = problems_of({"top1_dorp <= 1", "size", "size <= 3 apples", "speedup >= fast"});
  CHECK(said.find("did you mean top1_drop?") != std::string::npos);
  CHECK(said.find("compares nothing") != std::string::npos);
  CHECK(said.find("'3 apples' is no bound for size") != std::string::npos);
  CHECK(said.find("MB") != std::string::npos);
  CHECK(said.find("'fast' is no bound for speedup") != std::string::npos);
  CHECK(problems_of({"agreement >= 98"}).find("a share from 0 to 1") != std::string::npos);
  CHECK(problems_of({"peak_memory <= 1 MB"}, true, false).find("leave out --latency-rounds 0") !=
        std::string::npos);
  CHECK(problems_of({"beauty >= 1"}).find("sqnr_db, cosine") != std::string::npos);
}

TEST_CASE("a gate without its figure says what to add", "[compare]") {
  CHECK(problems_of({"top1_drop <= 1"}, false).find("add --labels CSV") != std::string::npos);
  CHECK(problems_of({"speedup >= 1"}, true, false).find("--latency-rounds 0") != std::string::npos);
  CHECK(problems_of({"speedup_all_threads >= 1"}).find("--threads 1") != std::string::npos);
  CHECK(problems_of({"peak_memory <= 1 GB"}).find("use size") != std::string::npos);
}

TEST_CASE("every metric has a name of its own and an explanation", "[compare]") {
  for (const Metric& metric : metrics()) {
    INFO(metric.name);
    CHECK(std::string(metric.meaning).size() > 5);
    int same = 0;
    for (const Metric& other : metrics()) same += std::string(other.name) == metric.name;
    CHECK(same == 1);
  }
}
