// Sums and judgements over the report's rows that text and JSON share. See report.h.
#include "report/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/text.h"
#include "report/table.h"

namespace qc::report {
namespace {

constexpr const char* kFileStructure = "[file structure]";
constexpr const char* kKindOrder[] = {"weights", "bias", "scales", "constants", "graph"};

// Conv, Gemm or MatMul with weights of its own, also one that rounds at run time: the nodes that integer
// coverage is counted over.
bool is_weighted(const NodeRow& row) {
  // A MatMul of two activations (attention) has no weights to store; the others practically always do.
  constexpr std::string_view kWeighted[] = {"Conv", "Gemm", "MatMulInteger"};
  return std::ranges::find(kWeighted, row.op_type) != std::end(kWeighted) ||
         (row.op_type == "MatMul" && row.float_bytes > 0);
}

}  // namespace

void check_sum(const FileBytes& file) {
  const auto bug = [&](const std::string& place, const std::string& cause) {
    return Error(Exit::kBug, {"byte-rows", place, cause,
                              "please report this with the model; the files were not written"});
  };
  int64_t sum = 0;
  for (const ByteRow& row : file.rows) {
    if (row.bytes < 0) {
      throw bug(format("{}: node '{}', {}", file.name, row.node, row.kind),
                format("{} bytes are attributed to it: more was claimed than was written", row.bytes));
    }
    sum += row.bytes;
  }
  if (sum != file.size) {
    throw bug(file.name,
              format("the rows of the byte table sum to {}, the file has {} bytes", sum, file.size));
  }
}

double Accuracy::worst_sqnr_db() const {
  double worst = std::numeric_limits<double>::quiet_NaN();
  for (const OutputAccuracy& output : integer) {
    if (std::isnan(worst) || output.sqnr_db < worst) worst = output.sqnr_db;
  }
  return by_parts ? std::fmin(worst, worst_part_db()) : worst;
}

double Accuracy::worst_part_db() const {
  double worst = std::numeric_limits<double>::quiet_NaN();
  for (const OutputAccuracy& output : integer)
    for (const PartAccuracy& part : output.parts) worst = std::fmin(worst, part.sqnr_db);
  return worst;
}

bool on_integer_kernel(const NodeRow& row) {
  return row.compute == "integer" && row.verdict.find("(float)") == std::string::npos;
}

Coverage coverage(const Report& report) {
  Coverage sums;
  for (const NodeRow& row : report.nodes) {
    const bool integer = on_integer_kernel(row);
    ++sums.nodes;
    sums.integer += integer;
    sums.weighted += is_weighted(row);
    sums.weighted_integer += is_weighted(row) && integer;
  }
  return sums;
}

std::vector<FloatGroup> stayed_float(const Report& report) {
  std::vector<FloatGroup> groups;
  std::map<std::string, std::map<std::string, int64_t>> op_types;
  for (const NodeRow& row : report.nodes) {
    if (on_integer_kernel(row)) continue;
    const std::string reason = row.compute == "integer"
                                   ? "meant for integers, but the runtime has no kernel for them here"
                                   : row.reason;
    const auto same = [&](const FloatGroup& group) { return group.reason == reason; };
    auto group = std::find_if(groups.begin(), groups.end(), same);
    if (group == groups.end()) group = groups.insert(groups.end(), {reason, 0, {}, {}});
    ++group->count;
    ++op_types[reason][row.op_type];
    group->nodes.push_back(row.node);
  }
  const auto larger = [](const auto& a, const auto& b) { return a.second > b.second; };
  for (FloatGroup& group : groups) {
    group.op_types.assign(op_types[group.reason].begin(), op_types[group.reason].end());
    std::stable_sort(group.op_types.begin(), group.op_types.end(), larger);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const FloatGroup& a, const FloatGroup& b) { return a.count > b.count; });
  return groups;
}

std::string sentence_of(const SaturationRisk& risk) {
  if (risk.guarded) return "guarded, no pair of products can saturate";
  if (risk.nodes == 0) return "not possible";
  const std::string bounded = risk.bounded_channels == 0 ? std::string()
                                                         : format(" (weights of {} bounded)",
                                                                  counted(risk.bounded_channels, "channel"));
  if (risk.likely_nodes == 0)
    return format(
        "not with inputs like those of calibration{}; \"saturation_guard\": true rules it out for any",
        bounded);
  return format(
      "likely in {} of {}, with inputs like those of calibration; \"saturation_guard\": true rules it out",
      counted(risk.likely_channels, "channel"), counted(risk.likely_nodes, "layer"));
}

std::vector<std::pair<std::string, int64_t>> bytes_by_kind(const FileBytes& file) {
  std::map<std::string, int64_t> sums;
  for (const ByteRow& row : file.rows) sums[row.kind] += row.bytes;
  std::vector<std::pair<std::string, int64_t>> ordered;
  const auto take = [&](const std::string& kind) {
    if (const auto found = sums.find(kind); found != sums.end()) {
      ordered.emplace_back(*found);
      sums.erase(found);
    }
  };
  for (const char* kind : kKindOrder) take(kind);
  std::vector<std::pair<std::string, int64_t>> rest(sums.begin(), sums.end());
  std::stable_partition(rest.begin(), rest.end(),
                        [](const auto& entry) { return entry.first != kFileStructure; });
  ordered.insert(ordered.end(), rest.begin(), rest.end());
  return ordered;
}

}  // namespace qc::report
