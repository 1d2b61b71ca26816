// What `qconvert compare A B` measured, as numbers, then printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qc::report {

struct ComparedOutput {
  std::string output, output_b;  // the names in A and in B
  double sqnr_db = 0;            // of B against A, pooled over the images
  double cosine = 0;             // mean over the images
  double max_abs_error = 0;      // over all images and elements
  bool before_softmax = false;   // judged at the mean-free logits, because both outputs end in Softmax
};

/// Classifiers with labels. The difference is B minus A on the same images.
struct LabelledAccuracy {
  int64_t images = 0;                                              // those with a label
  double top1_a = 0, top1_b = 0, top5_a = 0, top5_b = 0;           // 0..1
  int64_t only_a_right = 0, only_b_right = 0;                      // top-1, the discordant pairs
  double difference = 0, difference_low = 0, difference_high = 0;  // top-1, 95 % confidence
};

struct Latency {
  int64_t rounds = 0;
  double a_ms = 0, b_ms = 0;  // medians, one thread, runs of A and B taking turns
  double speed = 0;           // a_ms / b_ms: above 1 means that B is faster
};

struct Comparison {
  std::string model_a, model_b, preprocessing;
  int64_t size_a = 0, size_b = 0, images = 0;
  std::vector<ComparedOutput> outputs;
  std::optional<double> agreement;  // share of images with the same top-1 class, 0..1; classifiers only
  std::optional<LabelledAccuracy> labelled;
  std::optional<Latency> latency;
  std::vector<std::string> notes;
};

std::string to_text(const Comparison& comparison);
std::string to_json(const Comparison& comparison);

}  // namespace qc::report
