// See plain_spelling.h.
#include "plain_spelling.h"

#include "raise_opset.h"

namespace qc {

std::vector<normalize::Applied> spell_plainly(ir::Graph& graph, const PlainSpelling& how,
                                              run::RunnerFactory& runners, const run::ModelCodec& codec,
                                              Diagnostics& diagnostics, std::vector<std::string>& notes) {
  const std::vector<ir::Tensor>& sample = how.rewriting.check_inputs;
  run::infer_shapes(graph, codec);  // some rules of raising ask for ranks
  const auto opened = normalize::open_bodies(graph, runners, how.rewriting, diagnostics);
  raise_opset_checked(graph, how.least_opset, runners, sample, diagnostics);
  if (how.for_gelu) raise_for_gelu(graph, runners, sample, notes);
  auto applied = normalize::sum_of(opened, normalize::normalize(graph, runners, how.rewriting, diagnostics));
  run::infer_shapes(graph, codec);
  return applied;
}

}  // namespace qc
