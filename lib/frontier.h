// `qconvert frontier`: size against error over choices of widths, from one analysis that is kept in a file,
// and the conversion of what is picked from it, without analysing again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline.h"
#include "report/width_frontier.h"

namespace qc {

struct FrontierOptions {
  ConvertOptions convert;  // output_folder gets <stem>.frontier.json and .frontier.svg
  std::string pick;        // "<= 2 MB", "sqnr >= 20"; empty: no conversion
};

struct FrontierResult {
  report::WidthFrontier frontier;
  bool kept = false;  // read from the file of an earlier run on the same model, config and images
  std::vector<std::filesystem::path> written;
  std::optional<ConvertResult> converted;
};

/// Throws Error: kUsage for a pick that cannot be read, kBudget where nothing on the frontier is small or
/// good enough.
FrontierResult frontier(const FrontierOptions& options);

}  // namespace qc
