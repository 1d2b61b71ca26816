// What `qconvert frontier` found: size against error over choices of widths, from one analysis. The file
// holds what the analysis measured, so that a later pick needs no second one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qc::report {

struct WidthFrontier {
  struct Layer {
    std::string node;
    std::vector<int64_t> bytes;  // of its constants as written, by width
    std::vector<double> costs;   // by width: noise over signal at the outputs that it adds
  };
  struct Point {
    std::string name;
    int64_t bytes = 0;                         // all constants as written
    double predicted_db = 0, measured_db = 0;  // worst output; NaN: unknown
    std::vector<int> bits;                     // by layer
    bool uniform = false;
    bool best = false;  // no other measured point is as small and as good
  };
  std::string model;  // file name
  std::string key;    // of model, config and images: the analysis holds for these alone
  std::vector<int> widths;
  int64_t other_bytes = 0;
  double wide_noise = 0;  // at the outputs at full width; 0: unknown
  std::vector<Layer> layers;
  std::vector<Point> points;  // by size
};

/// Sorts the points by size and marks the best of those that are measured.
void mark_best(WidthFrontier& frontier);

std::string to_json(const WidthFrontier& frontier);
std::string to_text(const WidthFrontier& frontier);
/// A picture that needs nothing but itself: uniform and mixed points, measured and predicted.
std::string to_svg(const WidthFrontier& frontier);

/// Reads to_json()'s text. Throws Error(kInput) naming `file` where it is something else.
WidthFrontier parse_width_frontier(std::string_view json, const std::string& file);

}  // namespace qc::report
