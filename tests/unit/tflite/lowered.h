// Lowered graphs under test: float models of tiny graphs, and LiteRT's answer against ONNX Runtime's.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "onnx_io/onnx_io.h"
#include "prepare.h"
#include "run/ort_runner.h"
#include "support/litert.h"
#include "support/tiny_models.h"
#include "tflite/lowering.h"
#include "unit/onnx_io/ort_try.h"

namespace qc::tflite {

using tiny::Attributes;

// The shapes of tiny_models are those of plain options; ONNX Runtime knows the others.
inline void forget_shapes(ir::Graph& g) {
  for (ir::Value& value : g.values)
    if (value.producer != ir::kNone) value.has_shape = false, value.dims.clear(), value.dim_params.clear();
}

inline ir::ValueId typed(ir::Graph& g, ir::ValueId value, ir::DType dtype) {
  ir::value_at(g, value).dtype = dtype;
  return value;
}

inline plan::QuantizedModel float_model(ir::Graph g) {
  forget_shapes(g);
  run::infer_shapes(g, onnx_codec());
  plan::QuantizedModel model;
  model.plan.nodes.resize(g.nodes.size());
  model.plan.values.resize(g.values.size());
  model.graph = std::move(g);
  return model;
}

inline LowerOptions kept() {
  LowerOptions options;
  options.keep_nchw_io = true;
  return options;
}

inline int count(const Model& model, Op op) {
  return static_cast<int>(std::count_if(model.operators.begin(), model.operators.end(),
                                        [&](const Operator& o) { return o.op == op; }));
}

// Every output of LiteRT's run of the lowered graph equals ONNX Runtime's of the graph.
inline void check_same(ir::Graph g, float tolerance = 1e-5f, float low = -1, float high = 1,
                       const LowerOptions& options = kept()) {
  forget_shapes(g);
  const std::string onnx = onnx_io::write(g);
  const std::vector<ir::Tensor> inputs = ort_try::random_inputs(onnx, 7, low, high);
  const std::vector<ir::Tensor> expected = ort_try::run(onnx, inputs);
  const plan::Written written = serialise(lower(float_model(g), {}, options));
  const litert::Result found = litert::run(written.bytes, inputs);
  REQUIRE(found.outputs.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const ir::Value& value = tiny::value(g, g.outputs[i]);
    CAPTURE(value.name, value.producer == ir::kNone ? "" : ir::dump(g));
    REQUIRE(found.outputs[i].size() == expected[i].bytes->size());
    CHECK(ort_try::max_relative_error(expected[i], ir::make_tensor(expected[i].dtype, found.outputs[i],
                                                                   expected[i].dims)) < tolerance);
  }
}

struct Dice {
  std::mt19937 engine;
  explicit Dice(unsigned seed) : engine(seed) {}
  int64_t draw(int64_t low, int64_t high) {  // both included; the same on every platform
    return low + static_cast<int64_t>(engine() % static_cast<uint32_t>(high - low + 1));
  }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + draw(0, static_cast<int64_t>(choices.size()) - 1));
  }
};

}  // namespace qc::tflite
