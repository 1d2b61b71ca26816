// Labelled images: the CSV, ranks of the true class, and how sure one can be that one model is better than
// another when both have seen the same images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qc {

/// By file name (without folders).
using Labels = std::map<std::string, int64_t>;

/// A CSV with a header that has the columns `file` and `class_index`, in any order, others ignored; quoted
/// fields and CRLF are fine. Throws Error(kInput) with every wrong line. `path` names it in messages.
Labels parse_labels(std::string_view csv, const std::filesystem::path& path);

/// Labels by image, `offset` added; `images` are names of files. Notes say how many images have none, and,
/// where `whole` says that these are all of a folder, how many labels have no image. Throws Error(kInput)
/// where none has one, and what parse_labels() does.
std::vector<std::optional<int64_t>> labels_of(const std::vector<std::string>& images,
                                              const std::filesystem::path& path, int64_t offset, bool whole,
                                              std::vector<std::string>& notes);

/// Throws Error(kInput) with how many labels lead to no class of the `classes` that a model has, and the
/// first.
void check_classes(const std::vector<std::optional<int64_t>>& labels, const std::vector<std::string>& images,
                   int64_t classes, const std::filesystem::path& path);

/// How many classes score higher than `label` (0: top-1); equal scores count for the lower index, NaN for
/// nobody.
int64_t rank_of(std::span<const float> scores, int64_t label);

/// Share of images that B alone gets right minus share that A alone gets right, with a 95 % interval for
/// paired proportions: Wald's with half a count added to each of the four cells (Agresti and Min, Statistics
/// in Medicine 24:729-740, 2005, "Simple improved confidence intervals for comparing matched proportions"),
/// because plain Wald has no width at all when the models never disagree.
struct PairedDifference {
  double difference = 0, low = 0, high = 0;
};
PairedDifference paired_difference(int64_t only_a_right, int64_t only_b_right, int64_t images);

}  // namespace qc
