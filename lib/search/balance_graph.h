// Tries the corrections of the room balance one after the other, each on what the ones before it left, and
// keeps those that bring the worst output closer to float on held-out images, or that the user asked for and
// that do not hurt.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "report/report.h"
#include "search/attempt.h"
#include "search/places.h"
#include "subject.h"

namespace qc {

/// What was tried, and what it brought.
struct Balanced {
  std::vector<report::Correction> corrections;
  std::vector<std::string> notes;
  bool changed = false;  // then graph and places are new ones, and statistics of old ones mean nothing
  ir::Graph graph;
  Places places;
};

/// Which corrections are tried: those that the user asked for, the others, or both; or, asked for or not,
/// those that help weights while no activation is rounded, and measured so.
enum class Balancing { kAsked, kUnasked, kAll, kFloats };

/// Should weights be balanced for activations that all stay float? Where the user asked for it, or rounding
/// them costs the outputs much.
bool wants_balanced_floats(const Scene& scene, const Subject& subject, const Attempt& found);

/// Costs nothing where no correction fits.
/// Under a budget only corrections that weights of every width gain from alike; results are tried at the
/// target's own width, and each other width has its ranges searched anew on what a correction left.
Balanced balance_graph(const Scene& scene, const Subject& subject, Balancing which);

}  // namespace qc
