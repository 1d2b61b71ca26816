// The schema of the JSON report is a file of its own, page/report.schema.json, because other programs read it
// too.
#include "report/page.h"
#include "report/report.h"

namespace qc::report {

std::string_view schema_json() {
  return embedded_text(embedded_files(), "report.schema.json");
}

}  // namespace qc::report
