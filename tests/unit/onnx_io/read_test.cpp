// The door inwards: every form in which a file may say something, and every file that must be refused with a
// sentence.
#include <onnx/onnx_pb.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/files.h"
#include "onnx_io/onnx_io.h"
#include "unit/onnx_io/ort_try.h"

using namespace qc;
namespace fs = std::filesystem;

namespace {

onnx::ModelProto empty_model(int64_t opset = 13, int64_t ir_version = 7) {
  onnx::ModelProto model;
  model.set_ir_version(ir_version);
  auto* import = model.add_opset_import();
  import->set_domain("");
  import->set_version(opset);
  model.mutable_graph()->set_name("g");
  return model;
}

void declare(onnx::ValueInfoProto* info, const std::string& name, std::vector<int64_t> dims) {
  info->set_name(name);
  auto* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  auto* shape = tensor->mutable_shape();
  for (const int64_t d : dims) shape->add_dim()->set_dim_value(d);
}

onnx::NodeProto* add_node(onnx::GraphProto& graph, const std::string& op, std::vector<std::string> inputs,
                          std::vector<std::string> outputs, const std::string& name = "") {
  auto* node = graph.add_node();
  node->set_op_type(op);
  if (!name.empty()) node->set_name(name);
  for (const auto& i : inputs) node->add_input(i);
  for (const auto& o : outputs) node->add_output(o);
  return node;
}

onnx::TensorProto* add_floats(onnx::GraphProto& graph, const std::string& name, std::vector<float> values) {
  auto* tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  tensor->add_dims(static_cast<int64_t>(values.size()));
  for (const float v : values) tensor->add_float_data(v);
  return tensor;
}

// x[2] -> Add(x, c) -> y
onnx::ModelProto add_model() {
  onnx::ModelProto model = empty_model();
  auto& graph = *model.mutable_graph();
  declare(graph.add_input(), "x", {2});
  declare(graph.add_output(), "y", {2});
  add_floats(graph, "c", {1, 2});
  add_node(graph, "Add", {"x", "c"}, {"y"}, "add");
  return model;
}

ir::Graph parse(const onnx::ModelProto& model, const fs::path& folder = "") {
  Diagnostics diagnostics;
  ir::Graph graph = onnx_io::parse(model.SerializeAsString(), folder, diagnostics);
  ir::verify(graph);
  return graph;
}

onnx::ModelProto written(const ir::Graph& graph) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(onnx_io::write(graph)));
  return model;
}

const ir::Value& named(const ir::Graph& graph, const std::string& name) {
  const ir::ValueId id = ir::find_value(graph, name);
  REQUIRE(id != ir::kNone);
  return ir::value_at(graph, id);
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    CHECK(error.exit == Exit::kInput);
    return error.what();
  }
  return "no error";
}

std::string error_of(const onnx::ModelProto& model, const fs::path& folder = "") {
  return error_of([&] { parse(model, folder); });
}

struct Folder : TemporaryFolder {
  Folder() { fs::create_directories(path() / "model"); }
  fs::path put(const std::string& name, const std::string& bytes) const {
    fs::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << bytes;
    return path() / name;
  }
};

void make_external(onnx::TensorProto& tensor, const std::string& location, const std::string& offset,
                   const std::string& length) {
  tensor.clear_float_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair("location", location), {"offset", offset}, {"length", length}}) {
    if (value.empty()) continue;
    auto* entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
}

std::string floats(std::vector<float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

TEST_CASE("Constant nodes become constants, whatever attribute holds the value", "[onnx_io]") {
  onnx::ModelProto model = empty_model();
  auto& graph = *model.mutable_graph();
  const auto constant = [&](const std::string& output, const std::string& name) {
    auto* attribute = add_node(graph, "Constant", {}, {output})->add_attribute();
    attribute->set_name(name);
    return attribute;
  };
  auto* a = constant("tensor", "value");
  a->set_type(onnx::AttributeProto::TENSOR);
  a->mutable_t()->set_data_type(onnx::TensorProto::INT8);
  a->mutable_t()->add_dims(2);
  a->mutable_t()->add_int32_data(-3);
  a->mutable_t()->add_int32_data(4);
  constant("float", "value_float")->set_f(2.5f);
  constant("int", "value_int")->set_i(-7);
  auto* f = constant("floats", "value_floats");
  f->add_floats(1), f->add_floats(2);
  auto* i = constant("ints", "value_ints");
  i->add_ints(5), i->add_ints(6), i->add_ints(7);
  auto* s = constant("text", "value_string");
  s->set_type(onnx::AttributeProto::STRING);
  s->set_s("hello");
  const ir::Graph read = parse(model);

  CHECK(read.nodes.size() == 1);  // only the string stays a node
  CHECK(named(read, "tensor").constant->as<int8_t>()[0] == -3);
  CHECK(ir::equal(*named(read, "float").constant, ir::scalar(2.5f)));
  CHECK(ir::equal(*named(read, "int").constant, ir::scalar(int64_t{-7})));
  CHECK(ir::equal(*named(read, "floats").constant, ir::make_tensor(std::vector<float>{1, 2}, {2})));
  CHECK(ir::equal(*named(read, "ints").constant, ir::make_tensor(std::vector<int64_t>{5, 6, 7}, {3})));
  CHECK(ir::string_attribute(read.nodes[0], "value_string", "") == "hello");
}

TEST_CASE("numbers in typed fields become raw little-endian bytes", "[onnx_io]") {
  using T = onnx::TensorProto;
  struct Case {
    int type;
    std::function<void(T&)> fill;
    std::string bytes;
  };
  const std::vector<Case> cases = {
      {T::FLOAT, [](T& t) { t.add_float_data(1.0f); }, std::string("\x00\x00\x80\x3f", 4)},
      {T::DOUBLE, [](T& t) { t.add_double_data(1.0); }, std::string("\0\0\0\0\0\0\xf0\x3f", 8)},
      {T::INT64, [](T& t) { t.add_int64_data(-2); }, std::string("\xfe\xff\xff\xff\xff\xff\xff\xff", 8)},
      {T::UINT64, [](T& t) { t.add_uint64_data(2); }, std::string("\2\0\0\0\0\0\0\0", 8)},
      {T::UINT32, [](T& t) { t.add_uint64_data(2); }, std::string("\2\0\0\0", 4)},
      {T::INT32, [](T& t) { t.add_int32_data(-1); }, std::string("\xff\xff\xff\xff", 4)},
      {T::INT16, [](T& t) { t.add_int32_data(-2); }, std::string("\xfe\xff", 2)},
      {T::FLOAT16, [](T& t) { t.add_int32_data(0x3c00); }, std::string("\x00\x3c", 2)},
      {T::INT8, [](T& t) { t.add_int32_data(-2); }, "\xfe"},
      {T::UINT8, [](T& t) { t.add_int32_data(200); }, "\xc8"},
      {T::BOOL, [](T& t) { t.add_int32_data(1); }, "\1"},
      {22, [](T& t) { t.add_int32_data(0x21); }, "\x21"},  // INT4: a packed pair an entry
  };
  for (const Case& c : cases) {
    onnx::ModelProto model = add_model();
    T& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name("t");
    tensor.set_data_type(c.type);
    tensor.add_dims(c.type == 22 ? 2 : 1);
    c.fill(tensor);
    INFO(c.type);
    const ir::Graph graph = parse(model);
    CHECK(*named(graph, "t").constant->bytes == c.bytes);
    CHECK(ir::equal(*named(parse(written(graph)), "t").constant, *named(graph, "t").constant));
  }
}

TEST_CASE("strings and data types that are not known ride along", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto* text = model.mutable_graph()->add_initializer();
  text->set_name("text");
  text->set_data_type(onnx::TensorProto::STRING);
  text->add_dims(2);
  text->add_string_data("a");
  text->add_string_data("b");
  auto* future = model.mutable_graph()->add_initializer();
  future->set_name("future");
  future->set_data_type(24);
  future->add_dims(3);
  future->set_raw_data("\1\2\3");
  const onnx::ModelProto back = written(parse(model));
  CHECK(back.graph().initializer(1).SerializeAsString() == text->SerializeAsString());
  CHECK(back.graph().initializer(2).SerializeAsString() == future->SerializeAsString());
}

TEST_CASE("an initializer that is listed as an input is a constant; a real input stays one", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  model.set_ir_version(3);
  declare(model.mutable_graph()->add_input(), "c", {2});
  const ir::Graph graph = parse(model);
  REQUIRE(graph.inputs.size() == 1);
  CHECK(named(graph, "x").producer == ir::kNone);
  CHECK(graph.initializers_as_inputs == std::vector<std::string>{"c"});
  const onnx::ModelProto back = written(graph);
  CHECK(back.graph().input_size() == 1);
  CHECK(back.ir_version() >= 4);  // before 4 every initializer would have to be an input
}

TEST_CASE("node names are unique inside and come back as the file had them", "[onnx_io]") {
  onnx::ModelProto model = empty_model();
  auto& graph = *model.mutable_graph();
  declare(graph.add_input(), "x", {2});
  for (const char* name : {"Relu_1", "", "twin", "twin"})
    add_node(graph, "Relu", {"x"}, {"y" + std::to_string(graph.node_size())}, name);
  for (const char* output : {"y0", "y1", "y2", "y3"}) declare(graph.add_output(), output, {2});
  const ir::Graph read = parse(model);
  CHECK(read.nodes[1].name == "Relu_1_1");
  CHECK_FALSE(read.nodes[1].named_in_file);
  CHECK(read.nodes[3].name == "twin_1");
  const onnx::ModelProto back = written(read);
  CHECK(back.graph().node(0).name() == "Relu_1");
  CHECK(back.graph().node(1).name().empty());
}

TEST_CASE("bodies ride along, and what they read from outside is known", "[onnx_io]") {
  onnx::ModelProto model = empty_model();
  auto& graph = *model.mutable_graph();
  declare(graph.add_input(), "x", {2});
  declare(graph.add_input(), "flag", {});
  graph.mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::BOOL);
  declare(graph.add_output(), "y", {2});
  add_floats(graph, "c", {10, 20});
  add_node(graph, "Neg", {"x"}, {"negative"});
  auto* branch = add_node(graph, "If", {"flag"}, {"y"}, "choice");
  for (const char* name : {"then_branch", "else_branch"}) {
    auto* attribute = branch->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    auto& body = *attribute->mutable_g();
    const std::string local = std::string(name) + "_local";
    body.set_name(name);
    // The then-branch reads 'negative' from inside a second If.
    if (local == "then_branch_local") {
      auto* inner = add_node(body, "If", {"flag"}, {local});
      for (const char* inner_name : {"then_branch", "else_branch"}) {
        auto* inner_attribute = inner->add_attribute();
        inner_attribute->set_name(inner_name);
        inner_attribute->set_type(onnx::AttributeProto::GRAPH);
        const std::string result = std::string(inner_name) + "_result";
        inner_attribute->mutable_g()->set_name("inner");
        add_node(*inner_attribute->mutable_g(), "Add", {"negative", "c"}, {result});
        declare(inner_attribute->mutable_g()->add_output(), result, {2});
      }
    } else {
      add_node(body, "Add", {"x", "c"}, {local});
    }
    declare(body.add_output(), local, {2});
  }
  const ir::Graph read = parse(model);
  const ir::Node& node = read.nodes[ir::find_node(read, "choice")];
  std::vector<std::string> captured;
  for (const ir::ValueId v : node.captures) captured.push_back(read.values[v].name);
  CHECK(captured == std::vector<std::string>{"flag", "negative", "c", "x"});
  CHECK(named(read, "negative").consumers == std::vector<ir::NodeId>{1});

  const std::string bytes = onnx_io::write(read);
  const std::vector<ir::Tensor> x = {ir::make_tensor(std::vector<float>{1, 2}, {2}),
                                     ir::make_tensor(ir::DType::kBool, std::string(1, '\1'), {})};
  CHECK(ort_try::run(bytes, x)[0].as<float>()[1] == 18);
}

TEST_CASE("what the graph has no field for comes back unchanged", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  model.set_doc_string("model doc");
  model.set_producer_name("someone");
  model.set_model_version(3);
  auto* entry = model.add_metadata_props();
  entry->set_key("labels");
  entry->set_value("cat,dog");
  auto* import = model.add_opset_import();
  import->set_domain("com.example");
  import->set_version(2);
  auto* function = model.add_functions();
  function->set_name("f");
  function->set_domain("com.example");
  graph.set_doc_string("graph doc");
  graph.mutable_node(0)->set_doc_string("node doc");
  graph.add_quantization_annotation()->set_tensor_name("x");
  // Fields newer than the library: NodeProto.overload (8), GraphProto.metadata_props (16).
  graph.mutable_node(0)->mutable_unknown_fields()->AddLengthDelimited(8)->assign("other");
  graph.mutable_unknown_fields()->AddLengthDelimited(16)->assign("\x0a\x01k");
  auto* dim = graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0);
  dim->set_denotation("DATA_BATCH");
  dim->set_dim_param("batch");
  graph.mutable_input(0)->set_doc_string("the image");
  auto* sequence = graph.add_input();
  sequence->set_name("list");
  sequence->mutable_type()
      ->mutable_sequence_type()
      ->mutable_elem_type()
      ->mutable_tensor_type()
      ->set_elem_type(1);

  const onnx::ModelProto back = written(parse(model));
  onnx::ModelProto expected = model;
  auto* c = expected.mutable_graph()->mutable_initializer(0);  // the one thing that is written differently
  c->clear_float_data();
  c->set_raw_data(floats({1, 2}));
  CHECK(back.DebugString() == expected.DebugString());
}

// [[0, 5, 0], [0, 0, 7]]
void make_sparse(onnx::SparseTensorProto& sparse, const std::string& name, std::vector<int64_t> indices) {
  for (const int64_t d : {2, 3}) sparse.add_dims(d);
  sparse.mutable_values()->set_name(name);
  sparse.mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
  sparse.mutable_values()->add_dims(2);
  for (const float v : {5.0f, 7.0f}) sparse.mutable_values()->add_float_data(v);
  sparse.mutable_indices()->set_data_type(onnx::TensorProto::INT64);
  sparse.mutable_indices()->add_dims(2);
  if (indices.size() > 2) sparse.mutable_indices()->add_dims(static_cast<int64_t>(indices.size()) / 2);
  for (const int64_t i : indices) sparse.mutable_indices()->add_int64_data(i);
}

TEST_CASE("sparse tensors become dense constants", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  graph.clear_initializer();
  make_sparse(*graph.add_sparse_initializer(), "c", {1, 5});
  auto* attribute = add_node(graph, "Constant", {}, {"d"})->add_attribute();
  attribute->set_name("sparse_value");
  attribute->set_type(onnx::AttributeProto::SPARSE_TENSOR);
  make_sparse(*attribute->mutable_sparse_tensor(), "", {0, 1, 1, 2});
  const ir::Graph read = parse(model);
  CHECK(read.nodes.size() == 1);
  for (const char* name : {"c", "d"}) {
    REQUIRE(named(read, name).constant);
    CHECK(ir::equal(*named(read, name).constant,
                    ir::make_tensor(std::vector<float>{0, 5, 0, 0, 0, 7}, {2, 3})));
  }
}

TEST_CASE("a sparse initializer that cannot be dense is a node", "[onnx_io]") {
  const std::vector<int64_t> indices[] = {{1, 6}, {-1, 5}, {5, 1}, {1, 1}, {0, 1, 2, 0}, {0, 0, 0, 0, 0, 1}};
  for (const std::vector<int64_t>& wrong : indices) {
    onnx::ModelProto model = add_model();
    model.mutable_graph()->clear_initializer();
    make_sparse(*model.mutable_graph()->add_sparse_initializer(), "c", wrong);
    CHECK(parse(model).nodes.size() == 2);
  }
  onnx::ModelProto model = add_model();
  model.mutable_graph()->clear_initializer();
  make_sparse(*model.mutable_graph()->add_sparse_initializer(), "c", {1, 5});
  model.mutable_graph()->mutable_sparse_initializer(0)->set_dims(0, int64_t{1} << 40);
  CHECK(parse(model).nodes.size() == 2);
}

TEST_CASE("outputs left out at the end are gone, but where their number says something", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  graph.mutable_node(0)->set_output(0, "sum");
  add_node(graph, "BatchNormalization", {"sum", "c", "c", "c", "c"}, {"normal", "", "", "", ""});
  add_node(graph, "Dropout", {"normal"}, {"", ""});
  add_node(graph, "Split", {"normal"}, {"y", ""});
  add_node(graph, "Own", {"normal"}, {"own", ""})->set_domain("mine");
  const ir::Graph read = parse(model);
  CHECK(read.nodes[1].outputs.size() == 1);
  CHECK(read.nodes[2].outputs.size() == 1);
  CHECK(read.nodes[3].outputs.size() == 2);
  CHECK(read.nodes[4].outputs.size() == 2);
}

TEST_CASE("nodes may stand in any order in the file", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  graph.mutable_node(0)->set_output(0, "sum");
  add_node(graph, "Relu", {"sum"}, {"y"});
  graph.mutable_node()->SwapElements(0, 1);
  CHECK(written(parse(model)).graph().node(0).op_type() == "Add");
}

TEST_CASE("external data is read from its files, at its offsets", "[onnx_io]") {
  const Folder folder;
  folder.put("model/a.bin", "####" + floats({3, 4}));
  folder.put("model/sub/b.bin", floats({5, 6}));
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  make_external(*graph.mutable_initializer(0), "a.bin", "4", "8");
  make_external(*add_floats(graph, "d", {0, 0}), "sub/b.bin", "", "");
  auto* node = add_node(graph, "Constant", {}, {"e"});
  node->add_attribute()->set_name("value");
  auto* tensor = node->mutable_attribute(0)->mutable_t();
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  tensor->add_dims(1);
  make_external(*tensor, "a.bin", "8", "4");
  Diagnostics diagnostics;
  const std::string file = model.SerializeAsString();
  const ir::Graph read = onnx_io::read(folder.put("model/m.onnx", file), diagnostics);
  CHECK(read.bytes_on_disk == static_cast<int64_t>(file.size()) + 12 + 8);
  CHECK(read.values[1].constant->as<float>()[0] == 3);
  CHECK(named(read, "d").constant->as<float>()[1] == 6);
  CHECK(named(read, "e").constant->as<float>()[0] == 4);
}

TEST_CASE("external data that cannot be used is refused with its reason", "[onnx_io]") {
  const Folder folder;
  folder.put("model/short.bin", floats({1}));
  const fs::path outside = folder.put("outside.bin", floats({1, 2}));
  fs::create_symlink(outside, folder.path() / "model" / "link.bin");
  fs::create_directory_symlink(folder.path(), folder.path() / "model" / "up");
  struct Case {
    std::string location, offset, length, message;
  };
  const Case cases[] = {
      {"missing.bin", "", "", "No such file"},
      {"short.bin", "", "", "which has only 4"},
      {"short.bin", "99999999999999999", "", "which has only 4"},
      {"short.bin", "", "4", "4 bytes long, its type and shape need 8"},
      {"short.bin", "x", "", "offset 'x', which is no number"},
      {"short.bin", "-4", "", "offset '-4', which is no number"},
      {outside.string(), "", "", "outside the model's folder"},
      {"../outside.bin", "", "", "outside the model's folder"},
      {"link.bin", "", "", "a link to a place outside"},
      {"up/outside.bin", "", "", "a link to a place outside"},
      {"", "", "", "names no file"},
      {".", "", "", "not a regular file"},
  };
  for (const Case& c : cases) {
    onnx::ModelProto model = add_model();
    make_external(*model.mutable_graph()->mutable_initializer(0), c.location, c.offset, c.length);
    const std::string text = error_of(model, folder.path() / "model");
    INFO(text);
    CHECK(text.find(c.message) != std::string::npos);
    CHECK(text.find("initializer 'c'") != std::string::npos);
  }
  onnx::ModelProto model = add_model();
  make_external(*model.mutable_graph()->mutable_initializer(0), "short.bin", "", "");
  CHECK(error_of(model, "").find("not read from a file") != std::string::npos);
}

TEST_CASE("data of a linked model may be links into the folder of the model's own file", "[onnx_io]") {
  const Folder folder;
  onnx::ModelProto model = add_model();
  make_external(*model.mutable_graph()->mutable_initializer(0), "m.data", "", "");
  folder.put("blobs/1111", model.SerializeAsString());
  folder.put("blobs/2222", floats({3, 4}));
  folder.put("elsewhere/3333", floats({5, 6}));
  const fs::path file = folder.path() / "model" / "m.onnx", data = folder.path() / "model" / "m.data";
  fs::create_symlink("../blobs/1111", file);
  fs::create_symlink("../blobs/2222", data);
  Diagnostics diagnostics;
  CHECK(named(onnx_io::read(file, diagnostics), "c").constant->as<float>()[0] == 3);
  fs::remove(data);
  fs::create_symlink("../elsewhere/3333", data);
  CHECK(error_of([&] { onnx_io::read(file, diagnostics); }).find("a link to a place outside") !=
        std::string::npos);
}

TEST_CASE("a broken graph is refused, all problems at once", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto& graph = *model.mutable_graph();
  add_node(graph, "Relu", {"ghost"}, {"z"}, "one");
  add_node(graph, "Relu", {"spirit"}, {"y"}, "two");
  declare(graph.add_output(), "nowhere", {2});
  auto* bad = add_floats(graph, "bad", {1, 2, 3});
  bad->set_dims(0, 4);
  const std::string text = error_of(model);
  INFO(text);
  for (const char* part : {"node 'one' (Relu)", "reads 'ghost'", "reads 'spirit'", "model output 'nowhere'",
                           "value 'y'", "node 'two' (Relu) defines it a second time", "it holds 12 bytes"})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("a cycle and an old opset are refused", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  add_node(*model.mutable_graph(), "Add", {"a", "b"}, {"b"});
  add_node(*model.mutable_graph(), "Relu", {"b"}, {"a"});
  CHECK(error_of(model).find("cycle") != std::string::npos);

  onnx::ModelProto old = add_model();
  old.mutable_opset_import(0)->set_version(6);
  CHECK(error_of(old).find("it uses opset 6") != std::string::npos);
  old.clear_opset_import();
  CHECK(error_of(old).find("it uses opset 1") != std::string::npos);
}

TEST_CASE("two imports of one domain are the newer of them", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  auto* again = model.add_opset_import();
  again->set_domain("ai.onnx");
  again->set_version(11);
  const onnx::ModelProto found = written(parse(model));
  REQUIRE(found.opset_import_size() == 1);
  CHECK(found.opset_import(0).domain().empty());
  CHECK(found.opset_import(0).version() == 13);
}

TEST_CASE("an opset newer than the library passes untouched", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  model.mutable_opset_import(0)->set_version(99);
  CHECK(written(parse(model)).opset_import(0).version() == 99);
}

TEST_CASE("a file that is no ONNX model is named for what it is", "[onnx_io]") {
  std::string cut = add_model().SerializeAsString();
  cut.resize(cut.size() / 2);
  const std::pair<std::string, std::string> cases[] = {
      {"", "the file is empty"},
      {std::string("\xff\xd8\xff\xe0\0\x10JFIF", 10), "a JPEG picture"},
      {"\x89PNG\r\n\x1a\n", "a PNG picture"},
      {std::string("\x1c\0\0\0TFL3\0\0", 10), "a TensorFlow Lite model"},
      {"PK\x03\x04....", "a zip archive"},
      {"  <!DOCTYPE html><html>", "a web page"},
      {"{\"a\": 1}", "a JSON file"},
      {"hello, world\n", "a text file"},
      {"version https://git-lfs.github.com/spec/v1\n", "Git LFS"},
      {std::string("\x08\x07", 2), "it holds no graph"},
      {std::string("\x08\x07\x3c\x3c", 4), "not a valid ONNX file"},
      {cut, "truncated: "},
  };
  const Folder folder;
  for (const auto& [bytes, message] : cases) {
    const fs::path path = folder.put("model/m.onnx", bytes);
    const std::string text = error_of([&] {
      Diagnostics diagnostics;
      onnx_io::read(path, diagnostics);
    });
    INFO(text);
    CHECK(text.find(message) != std::string::npos);
    CHECK(text.find(path.string()) != std::string::npos);
  }
  const fs::path missing = folder.path() / "none.onnx";
  Diagnostics diagnostics;
  CHECK(error_of([&] { onnx_io::read(missing, diagnostics); }).find("No such file") != std::string::npos);
  CHECK(error_of([&] { onnx_io::read(folder.path(), diagnostics); }).find("folder") != std::string::npos);
}

TEST_CASE("a model is a model even if its bytes look like something else", "[onnx_io]") {
  onnx::ModelProto model = add_model();
  model.set_producer_name("TFL3WEBP");  // stands at byte 4, where these signatures are looked for
  REQUIRE(model.SerializeAsString().substr(4, 8) == "TFL3WEBP");
  CHECK(parse(model).nodes.size() == 1);
}

TEST_CASE("a graph that does not fit into one file says so before it is built", "[onnx_io]") {
  ir::Graph graph = parse(add_model());
  const ir::Tensor large = ir::make_tensor(ir::DType::kUint8, std::string(1 << 27, '\0'), {1 << 27});
  for (int i = 0; i < 17; ++i) ir::add_constant(graph, "large", large);
  CHECK_THROWS_WITH(onnx_io::write(graph), Catch::Contains("2 GiB") && Catch::Contains("external data"));
}
