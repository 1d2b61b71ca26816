// What `qconvert compare A B [C ...]` measured, as numbers, then printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"

namespace qc::report {

struct ComparedOutput {
  std::string output, own_name;  // the names in A and in the model that is judged
  double sqnr_db = 0;            // against A, pooled over the images
  double cosine = 0;             // mean over the images
  double max_abs_error = 0;      // over all images and elements
  bool before_softmax = false;   // judged at the mean-free logits, because both outputs end in Softmax
  std::string before_op;         // judged at a value before it, because the output lies behind such an op; ""
  std::string judged_at;         // name of that value in A
  std::vector<PartAccuracy> parts{};
};

/// Classifiers with labels. The difference is this model minus A on the same images.
struct LabelledAccuracy {
  int64_t images = 0;                                              // those with a label
  double top1_a = 0, top1 = 0, top5_a = 0, top5 = 0;               // 0..1
  int64_t only_a_right = 0, only_this_right = 0;                   // top-1, the discordant pairs
  double difference = 0, difference_low = 0, difference_high = 0;  // top-1, 95 % confidence
  int64_t classes = 0;
};

/// A sentence where A is right hardly more often than guesses would be, so that the labels may be of other
/// images; "" else.
std::string doubt_of(const LabelledAccuracy& labelled);

struct ClassAccuracy {
  int64_t class_index = 0, images = 0, right_a = 0, right = 0;  // top-1
};

/// Of one inference, over rounds in which all models take turns.
struct Latency {
  int threads = 1;
  int64_t rounds = 0;
  double median_ms = 0, low_ms = 0, high_ms = 0;  // median and quartiles
  double speedup = 1;                             // A's median over this one's: above 1 is faster than A
};

/// The first model, A, is what the others are compared with: it has no figures against itself.
struct ComparedModel {
  std::string letter, file;               // "A", "B", ...
  int64_t size = 0, compressed_size = 0;  // bytes, external data included
  std::optional<int64_t> peak_memory;     // bytes that loading it and running it once add to a process
  std::optional<Latency> one_thread, all_threads;
  std::vector<ComparedOutput> outputs;
  std::optional<double> agreement;  // share of images with A's top-1 class, 0..1; classifiers only
  std::optional<LabelledAccuracy> labelled;
  std::vector<ClassAccuracy> classes;  // where asked for, in order of the class
};

/// One --gate, judged for one model.
struct ComparedGate {
  std::string text, letter;  // "top1_drop <= 1", "B"
  double figure = 0;         // in the gate's unit
  bool held = false;
};

struct Comparison {
  std::vector<ComparedModel> models;
  std::string preprocessing;
  int64_t images = 0;
  std::string unit = "image";  // as CalibrationSet has it
  std::vector<ComparedGate> gates;
  std::vector<std::string> notes;
};

std::string to_text(const Comparison& comparison);
std::string to_json(const Comparison& comparison);
/// One page: the same document, drawn.
std::string to_html(const Comparison& comparison);

}  // namespace qc::report
