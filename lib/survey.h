// `qconvert survey MODEL --config CFG`: every way of quantizing that makes sense for the model, made with the
// user's config, measured on the same images, one table.
#pragma once

#include <filesystem>

#include "pipeline.h"
#include "report/survey.h"

namespace qc {

struct SurveyOptions {
  ConvertOptions convert;        // model, config, overrides, threads; its folder and formats are not used
  std::filesystem::path labels;  // CSV; empty: none
  int64_t label_offset = 0;
  std::filesystem::path images;  // to judge on; empty: those that the config calibrates on
  int64_t max_images = 200;      // to judge on
  int64_t latency_rounds = 20;
  report::Best best = report::Best::kSize;
  std::filesystem::path
      keep;  // folder that gets the files, a config for each, survey.json, .md and .svg; empty: none
};

/// Ways that cannot be had for this model are rows with the reason. Throws Error for a model, config, images,
/// labels or a folder that no way could use, before anything is made; and where no way can be had.
report::Survey survey(const SurveyOptions& options);

}  // namespace qc
