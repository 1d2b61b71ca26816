// See checks.h.
#include "checks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "arguments.h"
#include "base/text.h"
#include "prepare.h"
#include "target_of.h"

namespace qc::app {

void check_dry_run(const ConvertOptions& options, Diagnostics& problems) {
  if (!options.dry_run) return;
  const char* leave_out = "leave out --dry-run";
  for (const auto& [asked, name] : {std::pair(options.markdown, "markdown"), {options.html, "html"}})
    if (asked)
      problems.error({"no-such-report", format("--report {}", name), "a dry run writes no files",
                      "leave out --dry-run, or use --report json"});
  if (options.diagnose)
    problems.error(
        {"not-measured", "--diagnose", "a dry run reads no images, so nothing is measured", leave_out});
  if (options.resume)
    problems.error({"nothing-to-resume", "--resume", "a dry run corrects no layers", leave_out});
  for (const auto& [file, name] : {std::pair(options.depfile, "--depfile"), {options.stamp, "--stamp"}})
    if (!file.empty())
      problems.error({"no-files", name, "a dry run reads no images and writes no files", leave_out});
  for (const std::string& stage : options.dump)
    if (stage == "stats" || stage == "candidates")
      problems.error(
          {"no-such-dump", "--dump " + stage, "a dry run reads no images, so it has none", leave_out});
}

void check_stages(const ConvertOptions& options, Diagnostics& problems) {
  for (const std::string& stage : options.dump) {
    if (std::find(dump_stages().begin(), dump_stages().end(), stage) != dump_stages().end()) continue;
    const std::string meant = nearest(stage, dump_stages());
    problems.error(
        {"unknown-stage", "--dump " + stage, "there is no such stage",
         meant.empty() ? "use one of " + join(dump_stages(), ", ") : format("did you mean {}?", meant)});
  }
}

void check_config(const ConvertOptions& options, Diagnostics& problems) {
  Diagnostics ignored;
  std::optional<config::CoreConfig> config;
  collect(problems, [&] { config = load_config(options, ignored); });
  if (config) collect(problems, [&] { target_of(*config); });
}

void need_model(const std::string& model, const std::string& remedy, Diagnostics& problems) {
  if (model.empty()) problems.error({"usage", "command line", "no model was given", remedy});
}

}  // namespace qc::app
