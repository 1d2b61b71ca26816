// The order of a survey's rows.
#include "report/survey.h"

#include <catch2/catch.hpp>

using namespace qc;

TEST_CASE("the most accurate way comes first, by agreement and SQNR where top-1 is alike", "[survey]") {
  report::Survey survey;
  survey.best = report::Best::kAccuracy;
  const auto add = [&](const char* name, double top1, double agreement, double db) {
    report::SurveyRow row;
    row.name = name;
    row.top1 = top1;
    row.agreement = agreement;
    row.sqnr_db = db;
    survey.rows.push_back(row);
  };
  add("float", 1, 1, 0);
  add("worse", 0.9, 1, 70);
  add("close", 1, 1, 30);
  add("other classes", 1, 0.9, 50);
  add("closest", 1, 1, 60);
  report::sort_rows(survey);
  std::string order;
  for (const report::SurveyRow& row : survey.rows) order += row.name + "; ";
  CHECK(order == "float; closest; close; other classes; worse; ");
}
