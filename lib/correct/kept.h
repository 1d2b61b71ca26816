// Solved layers as a later run takes them up: what `--resume` goes on from. A conversion solves its layers
// several times over - for balanced graphs, other ranges, other placements, probes of widths - and no pass
// may take another one's layers: each is named by a hash of all that its results depend on. A layer that is
// kept stands in for the solving alone; what the network goes on with is computed from it by the same session
// as ever, so that every later layer, and the files, come out the same to the bit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "correct/round_rows.h"
#include "plan/quantized_model.h"

namespace qc::correct {

struct SecondOrderOptions;
struct Besides;

/// What solving found for one layer; the rest of its weight's parameters is the model's.
struct KeptLayer {
  std::vector<float> scales;  // of the weight
  std::string packed;         // its integers, as quant::pack has them
  std::vector<float> delta;   // of the bias, by output channel; empty: there is none
  std::vector<Trust> trusts;  // by group
};

struct Kept {
  std::map<std::pair<std::string, ir::ValueId>, KeptLayer> layers;  // by pass and weight
  std::map<std::string, double> figures;                            // by pass that was run for one figure
  std::function<void()> grown = {};  // called after each addition, by one thread at a time; may be empty
};

void keep(Kept& kept, const std::string& pass, ir::ValueId weight, KeptLayer layer);
/// The figure of a pass, `measured` where none is kept, and kept from then on.
double kept_figure(Kept& kept, const std::string& pass, const std::function<double()>& measured);

/// The solved weight of a layer; `rounded`: as it was before. Nothing where what was kept is not of its size.
std::optional<plan::IntegerTensor> weight_of(const KeptLayer& layer, const plan::IntegerTensor& rounded);

/// Names a pass of solve_second_order(): 16 hex digits that differ where anything does that its results
/// depend on, but for the content of the images. `runs`: which images, and what each is for, in the order of
/// the pass. Threads and names of nodes change no result and no key.
std::string pass_key(const plan::QuantizedModel& model, std::span<const int64_t> runs,
                     const SecondOrderOptions& options, const Besides& besides);

/// What kept layers belong to: hashes, but for `tool`, which says in words what has made them.
struct Origin {
  std::string model, config, images, tool;
};
struct KeptFile {
  Origin origin;
  Kept kept;
};
/// One file of both, with a checksum over all of it.
std::string to_bytes(const Origin& origin, const Kept& kept);
/// Nothing for bytes that are not all that to_bytes() of this version has made.
std::optional<KeptFile> parse_kept(std::string_view bytes);

}  // namespace qc::correct
