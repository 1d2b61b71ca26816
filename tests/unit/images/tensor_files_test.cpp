// .npy, .npz and .pb files as numpy and ONNX write them, and damaged ones.
#include "images/tensor_files.h"

#include <catch2/catch.hpp>

#include "unit/images/fixtures.h"

using namespace qc;
using namespace qc::images;
using ir::DType;

namespace {

// The array x of scripts/make_test_images.py.
ir::Tensor wanted_x() {
  std::vector<float> values;
  for (int i = 0; i < 24; ++i) values.push_back(static_cast<float>(i) * 0.5f - 3);
  return ir::make_tensor(std::span<const float>(values), {1, 2, 3, 4});
}

ir::Tensor npy(const std::string& name) {
  return read_npy(data_file("tensors/" + name), name);
}

}  // namespace

TEST_CASE("numpy arrays keep type, shape and values", "[images]") {
  CHECK(ir::equal(npy("float32.npy"), wanted_x()));
  CHECK(npy("no_batch.npy").dims == std::vector<int64_t>{2, 3, 4});
  CHECK(npy("float64.npy").dtype == DType::kDouble);
  CHECK(npy("float64.npy").as<double>()[1] == -2.5);
  CHECK(npy("uint8.npy").as<uint8_t>()[23] == 23);
  CHECK(npy("int64.npy").as<int64_t>()[23] == 23);
}

TEST_CASE("arrays in Fortran order and of short integers are taken", "[images]") {
  CHECK(ir::equal(npy("fortran.npy"), wanted_x()));
  // Of numpy's format 1.0.
  const auto written = [](const std::string& type, const std::string& bytes) {
    std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (2,), }";
    header.resize(117, ' ');
    return read_npy(std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + bytes, "x.npy");
  };
  CHECK(written("<i2", std::string("\x01\x00\xff\xff", 4)).as<int16_t>()[1] == -1);
  CHECK(written("<u2", std::string("\x01\x00\xff\xff", 4)).as<uint16_t>()[1] == 65535);
  CHECK(written("<u4", std::string("\x01\x00\x00\x00\x00\x00\x00\x80", 8)).as<uint32_t>()[1] == 1u << 31);
  CHECK_THROWS_WITH(written("<U3", std::string(24, 'x')), Catch::Contains("only numbers are taken"));
}

TEST_CASE("arrays that cannot be used say why and how to save them", "[images]") {
  struct Case {
    std::string file, cause, remedy;
  };
  const Case cases[] = {{"big_endian.npy", ">f4", "little-endian"},
                        {"complex.npy", "c8", "float32"},
                        {"cut.npy", "truncated", "again"}};
  for (const Case& c : cases) {
    CAPTURE(c.file);
    const Error error = error_of([&] { npy(c.file); });
    CHECK(error.exit == Exit::kInput);
    CHECK(error.problems[0].place == c.file);
    CHECK_THAT(error.problems[0].cause, Catch::Contains(c.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(c.remedy));
  }
}

TEST_CASE("archives are read stored or deflated", "[images]") {
  for (const std::string file : {"stored.npz", "deflated.npz"}) {
    CAPTURE(file);
    const NamedTensors tensors = read_npz(data_file("tensors/" + file), file);
    REQUIRE(tensors.size() >= 2);
    CHECK(tensors[0].first == "x");
    CHECK(ir::equal(tensors[0].second, wanted_x()));
    CHECK(tensors[1].first == "size");
    CHECK(tensors[1].second.as<int64_t>()[1] == 240);
    CHECK(npz_keys(data_file("tensors/" + file), file)[1] == "size");
  }
  CHECK(npz_keys(data_file("tensors/stored.npz"), "").size() == 3);
}

TEST_CASE("ONNX tensors are read from raw and from typed fields", "[images]") {
  for (const std::string file : {"raw.pb", "typed.pb"}) {
    const auto [name, tensor] = read_pb(data_file("tensors/" + file), file);
    CAPTURE(file);
    CHECK(name == "x");
    CHECK(ir::equal(tensor, wanted_x()));
  }
  CHECK(read_pb(data_file("tensors/int64.pb"), "").second.as<int64_t>()[0] == 320);
  CHECK(read_pb(data_file("tensors/uint8.pb"), "").second.as<uint8_t>()[23] == 23);
  CHECK_THAT(error_of([] { read_pb(data_file("tensors/strings.pb"), ""); }).problems[0].cause,
             Catch::Contains("string"));
  CHECK_THAT(error_of([] { read_pb(data_file("tensors/external.pb"), ""); }).problems[0].cause,
             Catch::Contains("another file"));
  CHECK_THAT(error_of([] { read_pb("no protobuf at all", ""); }).problems[0].cause,
             Catch::Contains("not an ONNX TensorProto"));
}

TEST_CASE("a tensor file cut anywhere is an error", "[images]") {
  for (const std::string file : {"float32.npy", "stored.npz", "deflated.npz", "raw.pb"}) {
    const std::string whole = data_file("tensors/" + file);
    for (size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(file, size);
      const std::string_view part = std::string_view(whole).substr(0, size);
      const Error error = error_of([&] {
        if (file.ends_with(".npy")) read_npy(part, file);
        if (file.ends_with(".npz")) read_npz(part, file);
        // A protobuf cut between two fields is a message too: its missing name is no loss.
        if (file.ends_with(".pb") && size < whole.size() - 3) read_pb(part, file);
        if (file.ends_with(".pb") && size >= whole.size() - 3) throw Error(Exit::kInput, {"", file, "", ""});
      });
      REQUIRE(error.exit == Exit::kInput);
    }
  }
}

TEST_CASE("damage inside an archive is found by its checksum or its deflate stream", "[images]") {
  const Error error = error_of([] { read_npz(data_file("tensors/damaged.npz"), "damaged.npz"); });
  CHECK(error.exit == Exit::kInput);
  CHECK_THAT(error.problems[0].place, Catch::Contains("damaged.npz, array 'x'"));
  std::string stored = data_file("tensors/stored.npz");
  stored[200] = static_cast<char>(stored[200] ^ 1);
  CHECK_THAT(error_of([&] { read_npz(stored, "a.npz"); }).problems[0].cause, Catch::Contains("checksum"));
}
