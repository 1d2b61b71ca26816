// See blank_inputs.h.
#include "blank_inputs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "deliver/prove_tflite.h"
#include "images/preprocess.h"
#include "modes/modes.h"
#include "prepare.h"

namespace qc {
namespace {

struct Sizes {
  int64_t first, other;
};
// Sentences end at 128 or 512 tokens, raw sound begins at 400 samples, and one name may count what is no
// batch: points, nodes, time that comes first. Costs are those of the sizes that run: long sentences come
// first.
constexpr Sizes kSizes[] = {{1, 224}, {1, 64},  {1, 16},    {1, 16'000},
                            {1, 1},   {16, 16}, {224, 224}, {16'000, 16'000}};
// Of one input: sound is long only where it is narrow, and a volume only where it is small.
constexpr int64_t kMostElements = 1 << 18;
// Of an input of the first sizes, those of a picture; what has more free sides than one begins with single
// cells.
constexpr int64_t kMostOfPicture = 1 << 28;
constexpr Sizes kLeast{1, 1};

std::string name_of(const ir::Value& value, size_t d) {
  return d < value.dim_params.size() ? value.dim_params[d] : "";
}

// One assignment of sizes to names.
class Assignment {
 public:
  Assignment(const ir::Graph& graph, Sizes sizes, std::optional<std::array<int64_t, 2>> picture)
      : sizes_(sizes), picture_(picture) {
    for (const ir::ValueId v : graph.inputs) {
      const ir::Value& value = ir::value_at(graph, v);
      if (!value.dims.empty() && value.dims[0] < 0) first_.insert(name_of(value, 0));
    }
  }

  std::vector<int64_t> dims_of(const ir::Value& value) {
    std::vector<int64_t> dims = value.dims;
    free_sides_ = 0;
    for (size_t d = 0; d < dims.size(); ++d)
      if (dims[d] < 0) dims[d] = size_of(name_of(value, d), d == 0);
    return dims;
  }

 private:
  int64_t chosen(bool first) {
    if (first) return sizes_.first;
    return picture_ ? (*picture_)[free_sides_++ % 2] : sizes_.other;
  }

  int64_t size_of(std::string_view name, bool first) {
    if (name.empty()) return chosen(first);
    if (const size_t plus = name.find('+'); plus != std::string_view::npos)
      return size_of(trimmed(name.substr(0, plus)), false) + size_of(trimmed(name.substr(plus + 1)), false);
    int64_t number = 0;
    if (const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        error == std::errc() && end == name.data() + name.size())
      return number;
    const auto [known, is_new] = by_name_.try_emplace(std::string(name), 0);
    if (is_new) known->second = chosen(first_.contains(std::string(name)));
    return known->second;
  }

  static std::string_view trimmed(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return text.substr(0, text.find_last_not_of(' ') + 1);
  }

  Sizes sizes_;
  std::optional<std::array<int64_t, 2>> picture_;
  std::set<std::string> first_;  // names that a first dimension has
  std::map<std::string, int64_t> by_name_;
  int64_t free_sides_ = 0;  // of the input at hand: its height and its width take turns
};

// The sizes of every input.
std::vector<std::vector<int64_t>> dims_of(const ir::Graph& graph, Assignment assignment) {
  std::vector<std::vector<int64_t>> dims;
  for (const ir::ValueId v : graph.inputs) dims.push_back(assignment.dims_of(ir::value_at(graph, v)));
  return dims;
}

// Asked before there is a tensor: one of 16 000 x 16 000 alone takes a gigabyte for each channel.
bool is_small(const std::vector<int64_t>& dims, int64_t most) {
  for (const int64_t d : dims) {
    if (d > most) return false;
    most /= std::max<int64_t>(d, 1);
  }
  return true;
}

bool are_small(const std::vector<std::vector<int64_t>>& inputs, int64_t most) {
  return std::all_of(inputs.begin(), inputs.end(),
                     [&](const std::vector<int64_t>& dims) { return is_small(dims, most); });
}

std::vector<ir::Tensor> zeros_of(const ir::Graph& graph, const std::vector<std::vector<int64_t>>& dims) {
  std::vector<ir::Tensor> inputs;
  for (size_t i = 0; i < dims.size(); ++i)
    inputs.push_back(ir::zeros(ir::value_at(graph, graph.inputs[i]).dtype, dims[i]));
  return inputs;
}

bool does_run(run::ModelRunner& runner, const std::vector<ir::Tensor>& inputs) {
  try {
    runner.run(inputs);
    return true;
  } catch (const Error& error) {
    if (error.exit != Exit::kInput) throw;
    log::debug(format("a blank input does not run: {}", error.what()));
    return false;
  }
}

// Zeros run wherever anything does, but the layer that reads them is its bias: noise says more of the model.
std::vector<ir::Tensor> with_noise(run::ModelRunner& runner, std::vector<ir::Tensor> zeros) {
  std::vector<ir::Tensor> noise = noise_like(zeros);
  if (does_run(runner, noise)) return noise;
  return zeros;
}

}  // namespace

Sample blank_inputs(const ir::Graph& graph, const config::CoreConfig& config, run::RunnerFactory& runners,
                    const run::ModelCodec& codec) {
  const auto picture = images::fixed_size(config.representative_dataset.preprocess);
  std::vector<std::vector<int64_t>> picture_dims = dims_of(graph, Assignment(graph, kSizes[0], picture));
  if (!are_small(picture_dims, kMostOfPicture))
    picture_dims = dims_of(graph, Assignment(graph, kLeast, std::nullopt));
  Sample usual{zeros_of(graph, picture_dims)};
  const auto runner = runners.make(graph, {}, {});
  if (does_run(*runner, usual.inputs)) return {with_noise(*runner, std::move(usual.inputs))};
  for (const Sizes& sizes : kSizes) {
    const std::vector<std::vector<int64_t>> dims = dims_of(graph, Assignment(graph, sizes, std::nullopt));
    if (!are_small(dims, kMostElements)) continue;
    std::vector<ir::Tensor> inputs = zeros_of(graph, dims);
    if (does_run(*runner, inputs)) return {with_noise(*runner, std::move(inputs))};
  }
  usual.runs = false;
  try {
    with_shapes_of(graph, usual.inputs, codec);
  } catch (const Error& error) {
    if (error.exit != Exit::kInput) throw;
    usual.inputs.clear();
  }
  return usual;
}

Sample first_sample(const images::ImageSource& source) {
  constexpr int64_t kLooked = 16;
  for (int64_t i = 0; i < std::min(kLooked, source.size()); ++i) {
    Sample sample{source.load(i), true, i};
    if (std::none_of(sample.inputs.begin(), sample.inputs.end(),
                     [](const ir::Tensor& one) { return one.size() == 0; }))
      return sample;
  }
  return {source.load(0)};
}

namespace {

// The first input of which the model leaves more free than how many there are of it.
const ir::Value* free_input(const ir::Graph& graph) {
  for (const ir::ValueId v : graph.inputs) {
    const ir::Value& value = ir::value_at(graph, v);
    for (size_t d = 1; d < value.dims.size(); ++d)
      if (value.dims[d] < 0) return &value;
  }
  return nullptr;
}

Sample sample_of_images(const ir::Graph& graph, const config::CoreConfig& config, Diagnostics& diagnostics,
                        int threads, const std::string& place) {
  constexpr int64_t kLooked = 16;
  const auto source = open_images(graph, config, diagnostics, threads);
  Sample sample = first_sample(*source);
  std::vector<int64_t> others(std::min(kLooked, source->size()));
  std::iota(others.begin(), others.end(), int64_t{0});
  const OfItsSizes sized = of_its_sizes(graph, *source, others, sample, place);
  if (sized.taken) diagnostics.warning(*sized.taken);
  return sample;
}

}  // namespace

bool sizes_by_images(const config::CoreConfig& config, const ir::Graph& graph) {
  return !config.representative_dataset.path.empty() && !wants_images(config) && free_input(graph);
}

Sample unmeasured_sample(const ir::Graph& graph, const config::CoreConfig& config,
                         run::RunnerFactory& runners, Diagnostics& diagnostics, int threads,
                         const std::string& place) {
  if (sizes_by_images(config, graph)) return sample_of_images(graph, config, diagnostics, threads, place);
  Sample sample = blank_inputs(graph, config, runners, onnx_codec());
  const ir::Value* free = config::writes(config, "tflite") ? free_input(graph) : nullptr;
  if (!free) return sample;
  const std::string remedy = format(
      "set /input_shapes/{} to the size that it is to have, or give --images with files of it", free->name);
  if (!sample.runs)
    throw Error(Exit::kUnsupported,
                {"sizes-unknown", place,
                 format("a .tflite has sizes of its own, the model leaves those of its input '{}' free, and "
                        "it runs with none of those that were tried",
                        free->name),
                 remedy});
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    if (&ir::value_at(graph, graph.inputs[i]) == free)
      diagnostics.warning({"sizes-taken", place,
                           format("its input '{}' is [{}], which was made up: the model leaves sizes free, "
                                  "and a .tflite has sizes of its own",
                                  free->name, fmt::join(sample.inputs[i].dims, ",")),
                           remedy});
  return sample;
}

std::string unmeasured_note() {
  return "the runtime could not run the model on inputs made up for it, so nothing was measured: not that "
         "rewrites leave its outputs alone, nor what roundings do to them; --images with files that it runs "
         "on has both looked at";
}

}  // namespace qc
