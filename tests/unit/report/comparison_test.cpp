// What inspect and compare print, from hand-made numbers.
#include "report/comparison.h"

#include <catch2/catch.hpp>

#include "report/inspection.h"
#include "support/golden.h"

using namespace qc;
using namespace qc::report;

namespace {

ComparedModel float_model() {
  ComparedModel a;
  a.letter = "A";
  a.file = "/data/net.onnx";
  a.size = 10428586;
  a.compressed_size = 9623456;
  a.peak_memory = 45212345;
  a.one_thread = Latency{1, 20, 9.25, 9.125, 9.5, 1};
  a.all_threads = Latency{2, 20, 5, 4.875, 5.25, 1};
  return a;
}

Comparison sample_comparison() {
  Comparison c;
  ComparedModel b;
  b.letter = "B";
  b.file = "out/net.quant.onnx";
  b.size = 2712345;
  b.compressed_size = 2301234;
  b.peak_memory = 20112345;
  b.one_thread = Latency{1, 20, 4.5, 4.25, 4.75, 9.25 / 4.5};
  b.all_threads = Latency{2, 20, 2.5, 2.25, 3, 2};
  b.outputs = {{"prob", "prob", 24.3456789, 0.99876, 1.23456789, true, "", "prob"}};
  b.agreement = 0.955;
  b.labelled = LabelledAccuracy{998, 0.839, 0.833, 0.959, 0.957, 10, 4, -0.006, -0.0133, 0.0015};
  b.classes = {{3, 500, 420, 421}, {7, 498, 417, 410}};
  ComparedModel on_phones = b;
  on_phones.letter = "C";
  on_phones.file = "out/net.quant.tflite";
  on_phones.peak_memory.reset();
  on_phones.one_thread.reset();
  on_phones.all_threads.reset();
  on_phones.classes.clear();
  c.models = {float_model(), b, on_phones};
  c.preprocessing = "RGB, stretch to 224x224";
  c.images = 1000;
  c.gates = {{"top1_drop <= 1", "B", 0.6, true}, {"size <= 2 MB", "B", 2712345, false}};
  c.notes = {"2 of 1000 images have no label, the first is 'x.jpg'"};
  return c;
}

InspectedNode node(std::string name, std::string op, std::string shape, int64_t parameters, bool integer,
                   std::string reason) {
  InspectedNode row;
  row.node = std::move(name);
  row.op_type = std::move(op);
  row.output_shape = std::move(shape);
  row.parameters = parameters;
  row.constant_bytes = parameters * 4;
  row.quantized_bytes = integer ? parameters : parameters * 4;
  row.could_be_integer = integer;
  row.reason = std::move(reason);
  return row;
}

Inspection sample_inspection() {
  Inspection found;
  found.model = "/data/net.onnx";
  found.target = "int8";
  found.file_size = 123456;
  found.opset = 13;
  found.ir_version = 8;
  found.producer = "pytorch 2.1";
  found.inputs = {{"input", "float32", "[batch,3,224,224]"}};
  found.outputs = {{"prob", "float32", "[batch,1000]"}};
  found.ops = {{"Conv", 1}, {"Softmax", 1}, {"Wobble", 1}};
  found.nodes = {node("conv1", "Conv", "[batch,32,112,112]", 864, true, ""),
                 node("softmax", "Softmax", "[batch,1000]", 0, false, "rounds every probability to 1/255"),
                 node("wobble", "my.Wobble", "", 12, false, "op of domain 'my'")};
  found.nodes[0].macs = 10838016;
  found.as_stored = {3504, 6422528, 10838016.0 * 32 * 32};
  found.on_target = {1040, 1605632, 10838016.0 * 8 * 8};
  found.peak_node = "conv1";
  found.macs = 10838016;
  found.notes = {"3 initializers are inputs as well; a conversion makes them constants"};
  return found;
}

}  // namespace

TEST_CASE("a comparison prints as the golden text and JSON", "[report]") {
  test::check_golden("report/comparison.txt", to_text(sample_comparison()));
  test::check_golden("report/comparison.json", to_json(sample_comparison()));
}

TEST_CASE("a comparison of what is no classifier has no class lines", "[report]") {
  Comparison c = sample_comparison();
  c.models.pop_back();
  c.gates.clear();
  c.models[0].one_thread.reset();
  c.models[0].all_threads.reset();
  ComparedModel& b = c.models[1];
  b.agreement.reset();
  b.labelled.reset();
  b.one_thread.reset();
  b.all_threads.reset();
  b.classes.clear();
  b.outputs[0].sqnr_db = 200;
  b.outputs[0].own_name = "renamed";
  test::check_golden("report/comparison.plain.txt", to_text(c));
}

TEST_CASE("an inspection prints as the golden text and JSON", "[report]") {
  test::check_golden("report/inspection.txt", to_text(sample_inspection(), false));
  test::check_golden("report/inspection.json", to_json(sample_inspection()));
}

TEST_CASE("an inspection of a quantized file shows bits and scales, and no target", "[report]") {
  Inspection found = sample_inspection();
  found.quantized = true;
  found.as_stored.activations.reset();
  found.as_stored.bops.reset();
  found.macs.reset();
  found.nodes[0].weight_params = "int8, 32 scales";
  found.nodes[0].output_params = "uint8 scale 0.0235294 zero_point 0";
  test::check_golden("report/inspection.quantized.txt", to_text(found, true));
}
