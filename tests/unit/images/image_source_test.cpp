// Opening folders: what is listed, what is refused and in which words, and that loading does not depend on
// threads.
#include "images/image_source.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <functional>

#include "base/parallel.h"
#include "images/apply.h"
#include "images/decode.h"
#include "unit/images/fixtures.h"

using namespace qc;
using namespace qc::images;
using ir::DType;

namespace {

const InputSpec kPhoto{"image", DType::kFloat, {1, 3, 16, 14}};
const InputSpec kTensor{"x", DType::kFloat, {-1, 2, 3, 4}};
const InputSpec kSize{"size", DType::kInt64, {1, 2}};

struct Opened {
  Diagnostics diagnostics;
  std::unique_ptr<ImageSource> source;
};

Opened open(const std::filesystem::path& folder, const std::vector<InputSpec>& inputs,
            const std::function<void(SourceOptions&)>& set = {}) {
  SourceOptions options;
  options.folder = folder;
  if (set) set(options);
  Opened opened;
  opened.source = open_folder(options, inputs, opened.diagnostics);
  return opened;
}

Error refusal(const std::filesystem::path& folder, const std::vector<InputSpec>& inputs,
              const std::function<void(SourceOptions&)>& set = {}) {
  const Error error = error_of([&] { open(folder, inputs, set); });
  CHECK(error.exit == Exit::kInput);
  for (const Problem& problem : error.problems) {
    CHECK(!problem.code.empty());
    CHECK(!problem.place.empty());
    CHECK(!problem.remedy.empty());
  }
  return error;
}

std::vector<std::string> names(const ImageSource& source) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < source.size(); ++i) all.push_back(source.name(i));
  return all;
}

void set_stretch(SourceOptions& options) {
  options.preprocess.resize = ResizeKind::kStretch;
  options.preprocess.height = 16;
  options.preprocess.width = 14;
}

}  // namespace

TEST_CASE("pictures are listed in the order of their names' bytes, cut to max_images", "[images]") {
  PictureFolder folder;
  for (const std::string name : {"b.png", "B.PNG", "a10.png", "a2.png", ".hidden.png"})
    folder.copy("pictures/rgb.png", name);
  folder.copy("pictures/gray.jpeg", "a.jpeg");
  folder.write("notes.txt", "not a picture");
  folder.write("sub/c.png", "not looked at");
  REQUIRE(::mkfifo((folder.path() / "pipe.png").c_str(), 0600) == 0);
  const Opened all = open(folder.path(), {kPhoto}, set_stretch);
  CHECK(names(*all.source) == std::vector<std::string>{"B.PNG", "a.jpeg", "a10.png", "a2.png", "b.png"});
  REQUIRE(all.diagnostics.warnings.size() == 2);
  CHECK(all.diagnostics.warnings[0].code == "other-files");
  CHECK_THAT(all.diagnostics.warnings[0].cause, Catch::Contains("pipe.png, notes.txt"));
  const Opened two =
      open(folder.path(), {kPhoto}, [](SourceOptions& o) { set_stretch(o), o.max_images = 2; });
  CHECK(names(*two.source) == std::vector<std::string>{"B.PNG", "a.jpeg"});
}

TEST_CASE("subfolders that hold more of the same are named, as they are not searched", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png", "a.png");
  folder.write("notes/readme.md", "no pictures here");
  folder.write("tensors/a.npy", "not of the folder's kind");
  folder.write(".hidden/b.png", "not meant to be seen");
  CHECK(open(folder.path(), {kPhoto}, set_stretch).diagnostics.warnings.empty());
  folder.write("dogs/c.PNG", "not looked at");
  folder.write("cats/.c.png", "hidden");
  const Opened opened = open(folder.path(), {kPhoto}, set_stretch);
  CHECK(names(*opened.source) == std::vector<std::string>{"a.png"});
  REQUIRE(opened.diagnostics.warnings.size() == 1);
  CHECK(opened.diagnostics.warnings[0].code == "subfolders");
  CHECK_THAT(opened.diagnostics.warnings[0].cause, Catch::Contains("pictures as well: dogs"));
}

TEST_CASE("a loaded picture is the preprocessed file in the input's layout", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb_420.jpg");
  struct Case {
    std::vector<int64_t> dims;
    Layout said, found;
  };
  const Case cases[] = {{{1, 3, 16, 14}, Layout::kUnset, Layout::kNchw},
                        {{1, 16, 14, 3}, Layout::kUnset, Layout::kNhwc},
                        {{-1, 3, -1, -1}, Layout::kUnset, Layout::kNchw},
                        {{-1, -1, -1, -1}, Layout::kNhwc, Layout::kNhwc},
                        {{1, -1, -1, 3}, Layout::kUnset, Layout::kNhwc}};
  for (const Case& c : cases) {
    const Opened opened = open(folder.path(), {{"x", DType::kFloat, c.dims}}, [&](SourceOptions& o) {
      set_stretch(o);
      o.preprocess.layout = c.said;
    });
    SourceOptions options;
    set_stretch(options);
    const Picture picture = decode(data_file("pictures/rgb_420.jpg"), "");
    const std::vector<ir::Tensor> loaded = opened.source->load(0);
    REQUIRE(loaded.size() == 1);
    CHECK(ir::equal(loaded[0], apply(picture, options.preprocess, c.found, DType::kFloat)));
    CHECK(opened.diagnostics.warnings.empty());
  }
}

TEST_CASE("without a size in the preprocessing pictures are stretched to the model's, and a warning says so",
          "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  const Opened opened = open(folder.path(), {kPhoto});
  CHECK(opened.source->load(0)[0].dims == std::vector<int64_t>{1, 3, 16, 14});
  REQUIRE(opened.diagnostics.warnings.size() == 1);
  CHECK_THAT(opened.diagnostics.warnings[0].cause,
             Catch::Contains("stretched to 16x14, bilinear, mean 0, std 1"));
  const Opened crop = open(folder.path(), {kPhoto}, [](SourceOptions& o) {
    o.preprocess.center_crop = {{16, 14}};
  });
  CHECK(crop.diagnostics.warnings.empty());
  CHECK(crop.source->load(0)[0].dims == std::vector<int64_t>{1, 3, 16, 14});
}

TEST_CASE("dynamic inputs take pictures of their own size", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  folder.copy("pictures/tall.png");
  const Opened opened = open(folder.path(), {{"x", DType::kFloat, {-1, 3, -1, -1}}}, [](SourceOptions& o) {
    o.preprocess.resize = ResizeKind::kNone;
    o.preprocess.multiple_of = 4;
  });
  CHECK(opened.source->load(0)[0].dims == std::vector<int64_t>{1, 3, 28, 36});
  CHECK(opened.source->load(1)[0].dims == std::vector<int64_t>{1, 3, 32, 16});
}

TEST_CASE("folders without usable files are refused", "[images]") {
  PictureFolder folder;
  CHECK_THAT(refusal(folder.path() / "none", {kPhoto}).problems[0].cause, Catch::Contains("no such folder"));
  CHECK_THAT(refusal(folder.path(), {kPhoto}).problems[0].cause, Catch::Contains("no pictures"));
  folder.write("sub/a.png", "x");
  CHECK_THAT(refusal(folder.path(), {kPhoto}).problems[0].cause,
             Catch::Contains("subfolders (sub) are not searched"));
  folder.copy("pictures/rgb.png");
  CHECK_THAT(refusal(folder.path() / "rgb.png", {kPhoto}).problems[0].cause,
             Catch::Contains("a file, not a folder"));
  CHECK_THAT(refusal(folder.path(), {kPhoto}, [](SourceOptions& o) { o.max_images = 0; }).problems[0].place,
             Catch::Contains("max_images"));
  CHECK_THAT(refusal(folder.path(), {}).problems[0].cause, Catch::Contains("no inputs"));
  folder.copy("tensors/float32.npy");
  const Error mixed = refusal(folder.path(), {kPhoto});
  CHECK_THAT(mixed.problems[0].cause, Catch::Contains("pictures (rgb.png"));
  CHECK_THAT(mixed.problems[0].cause, Catch::Contains(".npy tensors (float32.npy"));
}

TEST_CASE("every unreadable file is named at once, or skipped with a warning", "[images]") {
  PictureFolder folder;
  const std::string jpeg = data_file("pictures/rgb_420.jpg");
  folder.copy("pictures/rgb.png", "good.png");
  folder.write("cut.jpg", jpeg.substr(0, jpeg.size() / 2));
  folder.write("empty.png", "");
  folder.write("text.bmp", "not a bitmap");
  std::filesystem::create_symlink("nowhere", folder.path() / "gone.png");
  const Error error = refusal(folder.path(), {kPhoto}, set_stretch);
  REQUIRE(error.problems.size() == 4);
  const std::string text = error.what();
  for (const char* name : {"cut.jpg", "empty.png", "text.bmp", "gone.png"})
    CHECK_THAT(text, Catch::Contains(name));
  const Opened opened = open(folder.path(), {kPhoto},
                             [](SourceOptions& o) { set_stretch(o), o.skip_bad = true, o.threads = 2; });
  CHECK(names(*opened.source) == std::vector<std::string>{"good.png"});
  REQUIRE(opened.diagnostics.warnings.size() == 1);
  CHECK_THAT(opened.diagnostics.warnings[0].cause, Catch::Contains("4 of 5 files"));
  CHECK_THAT(opened.diagnostics.warnings[0].cause, Catch::Contains("empty.png (the file is empty)"));
  std::filesystem::remove(folder.path() / "good.png");
  const Error nothing_left =
      refusal(folder.path(), {kPhoto}, [](SourceOptions& o) { set_stretch(o), o.skip_bad = true; });
  REQUIRE(nothing_left.problems.size() == 1);
  CHECK_THAT(nothing_left.problems[0].cause,
             Catch::Contains("none of its files") && Catch::Contains("empty.png (the file is empty)"));
  CHECK_THAT(nothing_left.problems[0].remedy, !Catch::Contains("on_bad_image"));
}

TEST_CASE(
    "damage that only a full decode shows: found when loading, all files at once, or skipped when opening",
    "[images]") {
  PictureFolder folder;
  std::string damaged = data_file("pictures/rgb.png");
  damaged[damaged.size() / 2] ^= 0x20;
  folder.copy("pictures/rgb.png", "a.png");
  folder.write("b.png", damaged);
  folder.write("c.png", damaged);
  const Opened opened = open(folder.path(), {kPhoto}, set_stretch);
  REQUIRE(opened.source->size() == 3);
  CHECK_NOTHROW(opened.source->load(0));
  for (const int64_t index : {2, 1}) {
    const Error error = error_of([&] { opened.source->load(index); });
    REQUIRE(error.problems.size() == 2);
    CHECK_THAT(error.problems[0].place, Catch::EndsWith("b.png"));
    CHECK_THAT(error.problems[1].place, Catch::EndsWith("c.png"));
  }
  CHECK(open(folder.path(), {kPhoto}, [](SourceOptions& o) {
          set_stretch(o), o.skip_bad = true;
        }).source->size() == 1);
}

TEST_CASE("a header behind long metadata is found", "[images]") {
  PictureFolder folder;
  const std::string jpeg = data_file("pictures/rgb_444.jpg");
  const std::string comment = std::string("\xFF\xFE\xFF\xF0", 4) + std::string(0xFFF0 - 2, 'x');
  folder.write("a.jpg", jpeg.substr(0, 2) + comment + comment + jpeg.substr(2));
  CHECK(open(folder.path(), {kPhoto}, set_stretch).source->size() == 1);
}

TEST_CASE("inputs that pictures do not fit are refused with what to change", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  struct Case {
    std::string why;
    InputSpec input;
    std::function<void(SourceOptions&)> set;
    std::string code, remedy;
  };
  const auto plain = [](SourceOptions&) {};
  const auto crop = [](SourceOptions& o) { o.preprocess.center_crop = {{8, 8}}; };
  const auto own_size = [](SourceOptions& o) { o.preprocess.resize = ResizeKind::kNone; };
  const Case cases[] = {
      {"gray", {"x", DType::kFloat, {1, 1, 16, 14}}, plain, "channels", "\"GRAY\""},
      {"alpha", {"x", DType::kFloat, {1, 16, 14, 4}}, plain, "channels", "\"RGBA\""},
      {"colour",
       {"x", DType::kFloat, {1, 3, 16, 14}},
       [](SourceOptions& o) { o.preprocess.color = Color::kGray; },
       "channels",
       "\"RGB\""},
      {"two channels", {"x", DType::kFloat, {1, 2, 16, 14}}, plain, "channels", ".npy"},
      {"five, layout said",
       {"x", DType::kFloat, {1, 5, 16, 14}},
       [](SourceOptions& o) { o.preprocess.layout = Layout::kNchw; },
       "channels",
       ".npy"},
      {"either layout", {"x", DType::kFloat, {1, 3, 16, 3}}, plain, "layout", "\"NHWC\""},
      {"no layout", {"x", DType::kFloat, {-1, -1, -1, -1}}, plain, "layout", "\"NCHW\""},
      {"no size", {"x", DType::kFloat, {1, 3, -1, -1}}, plain, "no-size", "input_shapes"},
      {"half a size", {"x", DType::kFloat, {1, 3, 16, -1}}, plain, "no-size", "center_crop"},
      {"crop", {"x", DType::kFloat, {1, 3, 16, 14}}, crop, "size", "model's size"},
      {"own size", {"x", DType::kFloat, {1, 3, 16, 14}}, own_size, "size", "center_crop"},
      {"batch", {"x", DType::kFloat, {8, 3, 16, 14}}, plain, "batch", "batch 1"},
      {"rank", {"x", DType::kFloat, {1, 300}}, plain, "input-rank", ".npy"},
      {"type", {"x", DType::kInt64, {1, 3, 16, 14}}, plain, "input-type", ".npy"},
      {"uint8 with mean",
       {"x", DType::kUint8, {1, 3, 16, 14}},
       [](SourceOptions& o) { o.preprocess.mean = {1}; },
       "input-type",
       "remove mean"},
      {"bad settings",
       {"x", DType::kFloat, {1, 3, 16, 14}},
       [](SourceOptions& o) { o.preprocess.std = {0}; },
       "preprocess",
       "other than 0"},
      {"other input",
       {"x", DType::kFloat, {1, 3, 16, 14}},
       [](SourceOptions& o) { o.image_input = "X"; },
       "no-such-input",
       "'x'"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    const Error error = refusal(folder.path(), {c.input}, c.set);
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].code == c.code);
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(c.remedy));
  }
  const Error both = refusal(folder.path(), {{"x", DType::kInt32, {4, 1, 16, 14}}});
  CHECK(both.problems.size() == 3);
}

TEST_CASE("pictures of several sizes do not fit a fixed input without a crop", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  folder.copy("pictures/tall.png");
  const InputSpec input{"x", DType::kFloat, {1, 3, 29, 37}};
  const Error error =
      refusal(folder.path(), {input}, [](SourceOptions& o) { o.preprocess.resize = ResizeKind::kNone; });
  CHECK_THAT(error.problems[0].cause, Catch::Contains("tall.png (33 x 19)") && !Catch::Contains("rgb.png"));
  const auto short_side = [](SourceOptions& o) {
    o.preprocess.resize = ResizeKind::kShortSide, o.preprocess.short_side = 29;
  };
  CHECK_THAT(refusal(folder.path(), {input}, short_side).problems[0].cause,
             Catch::Contains("tall.png (50 x 29)"));
}

TEST_CASE("gray pictures with 16 bits are cut at 255, and a warning says so", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/gray16.png");
  const Opened opened = open(folder.path(), {kPhoto}, set_stretch);
  REQUIRE(opened.diagnostics.warnings.size() == 1);
  CHECK(opened.diagnostics.warnings[0].code == "deep-gray");
}

TEST_CASE("a mirrored picture has every row turned, in either layout and type", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  const auto turned = [&](DType dtype, const std::vector<int64_t>& dims) {
    const Opened opened = open(folder.path(), {{"x", dtype, dims}}, set_stretch);
    return std::pair(opened.source->load(0)[0], load_mirrored(*opened.source, 0)[0]);
  };
  const auto [planes, planes_turned] = turned(DType::kFloat, {1, 3, 16, 14});
  const auto [pixels, pixels_turned] = turned(DType::kUint8, {1, 16, 14, 3});
  for (size_t c = 0; c < 3; ++c)
    for (size_t y = 0; y < 16; ++y)
      for (size_t x = 0; x < 14; ++x) {
        CHECK(planes_turned.as<float>()[(c * 16 + y) * 14 + x] ==
              planes.as<float>()[(c * 16 + y) * 14 + 13 - x]);
        CHECK(pixels_turned.as<uint8_t>()[(y * 14 + x) * 3 + c] ==
              pixels.as<uint8_t>()[(y * 14 + 13 - x) * 3 + c]);
      }
  CHECK_FALSE(ir::equal(planes, planes_turned));
}

TEST_CASE("uint8 inputs take pixels as they are", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  const Opened opened = open(folder.path(), {{"x", DType::kUint8, {1, 16, 14, 3}}}, set_stretch);
  CHECK(opened.source->load(0)[0].dtype == DType::kUint8);
}

TEST_CASE("tensors of one input come from .npy or .pb files, widened to float32 and given their batch",
          "[images]") {
  PictureFolder folder;
  for (const std::string name : {"float32", "float64", "int64", "uint8", "no_batch"})
    folder.copy("tensors/" + name + ".npy");
  const Opened opened = open(folder.path(), {kTensor});
  REQUIRE(opened.source->size() == 5);
  const ir::Tensor first = opened.source->load(0)[0];
  for (int64_t i = 0; i < 5; ++i) {
    const ir::Tensor tensor = opened.source->load(i)[0];
    CAPTURE(opened.source->name(i));
    CHECK(tensor.dtype == DType::kFloat);
    CHECK(tensor.dims == std::vector<int64_t>{1, 2, 3, 4});
    const bool whole_numbers = opened.source->name(i) == "int64.npy" || opened.source->name(i) == "uint8.npy";
    CHECK(tensor.as<float>()[23] == (whole_numbers ? 23.0f : 8.5f));
  }
  PictureFolder protos;
  protos.copy("tensors/raw.pb");
  protos.copy("tensors/typed.pb");
  protos.copy("tensors/raw.pb", "output_0.pb");
  const Opened pb = open(protos.path(), {kTensor});
  REQUIRE(pb.source->size() == 2);
  CHECK(ir::equal(pb.source->load(1)[0], first));
}

TEST_CASE("several inputs come from .npz files or from ONNX's test data folders", "[images]") {
  PictureFolder folder;
  folder.copy("tensors/stored.npz");
  folder.copy("tensors/deflated.npz");
  const Opened npz = open(folder.path(), {kSize, kTensor});
  REQUIRE(npz.source->size() == 2);
  const std::vector<ir::Tensor> loaded = npz.source->load(0);
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0].as<int64_t>()[0] == 320);
  CHECK(loaded[1].as<float>()[0] == -3.0f);

  PictureFolder sets;
  for (const std::string set : {"test_data_set_0", "test_data_set_1"}) {
    sets.copy("tensors/raw.pb", set + "/input_0.pb");
    sets.copy("tensors/int64.pb", set + "/input_1.pb");
    sets.copy("tensors/raw.pb", set + "/output_0.pb");
  }
  for (const std::string inside : {"", "test_data_set_1"}) {
    const Opened pb = open(sets.path() / inside, {kTensor, kSize});
    CHECK(pb.source->size() == (inside.empty() ? 2 : 1));
    CHECK(ir::equal(pb.source->load(0)[0], loaded[1]));
    CHECK(ir::equal(pb.source->load(0)[1], loaded[0]));
    CHECK(pb.source->name(pb.source->size() - 1) == "test_data_set_1");
  }
}

TEST_CASE("tensor files that do not fit are refused with what to change", "[images]") {
  struct Case {
    std::string file;
    std::vector<InputSpec> inputs;
    std::string cause, remedy;
  };
  const Case cases[] = {
      {"other_shape.npy", {kTensor}, "float32 [1, 3, 2, 4], input 'x' takes float32 [?, 2, 3, 4]", "shape"},
      {"float64.npy", {{"x", DType::kInt64, {1, 2, 3, 4}}}, "float64", "int64"},
      {"batch_of_2.npy",
       {{"x", DType::kFloat, {1, 2, 3, 4}, true, true}},
       "input 'x' takes float32 [1, 2, 3, 4]",
       R"("input_shapes": {"x": [2, 2, 3, 4]} in the config)"},
      {"batch_of_2.npy", {{"x", DType::kFloat, {1, 2, 3, 4}}}, "takes float32 [1, 2, 3, 4]", "save tensors"},
      {"other_shape.npy", {{"x", DType::kFloat, {2, 2, 3, 4}, true, true}}, "", "save tensors"},
      {"cut.npy", {kTensor}, "truncated", "again"},
      {"float32.npy", {kTensor, kSize}, "the model has 2: 'x', 'size'", ".npz"},
      {"no_key.npz", {kTensor, kSize}, "no array 'size'", "numpy.savez"},
      {"raw.pb", {kTensor, kSize}, "the model has 2", ".npz"},
      {"int64.pb", {kTensor}, "int64 [1, 2]", "shape"},
      {"strings.pb", {kTensor}, "string", "again"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.file);
    PictureFolder folder;
    folder.copy("tensors/" + c.file);
    const Error error = refusal(folder.path(), c.inputs);
    CHECK_THAT(error.problems[0].cause, Catch::Contains(c.cause));
    CHECK_THAT(error.problems[0].remedy, Catch::Contains(c.remedy));
  }
}

TEST_CASE("a whole batch a file suits an input of that batch, and one whose first dimension is free",
          "[images]") {
  PictureFolder folder;
  folder.copy("tensors/batch_of_2.npy");
  CHECK(open(folder.path(), {{"x", DType::kFloat, {2, 2, 3, 4}}}).source->load(0)[0].dims[0] == 2);
  // What a free first dimension counts is not known: points, nodes of a graph, time.
  CHECK(open(folder.path(), {kTensor}).source->load(0)[0].dims[0] == 2);
}

TEST_CASE("pictures feed one of several inputs, an archive the others", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  const std::vector<InputSpec> inputs{kSize, kPhoto};
  const Error missing = refusal(folder.path(), inputs, set_stretch);
  CHECK_THAT(missing.problems[0].cause,
             Catch::Contains("pictures feed 'image'") && Catch::Contains("'size' (int64 [1, 2])"));
  CHECK_THAT(missing.problems[0].remedy, Catch::Contains("other_inputs"));
  folder.copy("tensors/only_size.npz");
  const auto with_sizes = [&](SourceOptions& o) {
    set_stretch(o), o.other_inputs = folder.path() / "only_size.npz";
  };
  const Opened opened = open(folder.path(), inputs, with_sizes);
  REQUIRE(opened.source->size() == 1);
  const std::vector<ir::Tensor> loaded = opened.source->load(0);
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0].as<int64_t>()[0] == 320);
  CHECK(loaded[1].dims == kPhoto.dims);
  // A mask is no picture, nor is what the archive holds.
  for (const InputSpec& mask :
       {InputSpec{"mask", DType::kBool, {1, 1, 16, 14}}, InputSpec{"size", DType::kFloat, {1, 2, 1, 4}}}) {
    CAPTURE(mask.name);
    PictureFolder with_mask;
    with_mask.copy("pictures/rgb.png");
    with_mask.copy("tensors/only_size.npz");
    const auto set = [&](SourceOptions& o) {
      set_stretch(o), o.other_inputs = with_mask.path() / "only_size.npz";
    };
    const Error why = refusal(with_mask.path(), {mask, kPhoto}, set);
    CHECK_THAT(why.problems[0].cause, !Catch::Contains("not clear"));
  }
  const std::vector<InputSpec> unclear{{"a", DType::kFloat, {1, 3, 8, 8}},
                                       {"b", DType::kFloat, {1, 3, 8, 8}}};
  CHECK_THAT(refusal(folder.path(), unclear, with_sizes).problems[0].cause,
             Catch::Contains("which of 'a', 'b'"));
}

TEST_CASE("inputs that no node reads, and those of one pixel, take no pictures", "[images]") {
  PictureFolder folder;
  folder.copy("pictures/rgb.png");
  const InputSpec left{"left", DType::kFloat, {1, 5, 5, 3}, false},
      pixel{"mean", DType::kFloat, {1, 1, 1, 3}};
  const std::vector<ir::Tensor> loaded = open(folder.path(), {left, kPhoto}, set_stretch).source->load(0);
  REQUIRE(loaded.size() == 2);
  CHECK(loaded[0].dims == left.dims);
  CHECK(std::ranges::all_of(loaded[0].as<float>(), [](float v) { return v == 0; }));
  CHECK(loaded[1].dims == kPhoto.dims);
  CHECK_THAT(refusal(folder.path(), {pixel, kPhoto}, set_stretch).problems[0].cause,
             Catch::Contains("pictures feed 'image'; nothing feeds 'mean'"));
}

TEST_CASE("loading does not depend on threads", "[images]") {
  PictureFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(data_folder() / "pictures")) {
    folder.copy("pictures/" + entry.path().filename().string());
  }
  const Opened opened =
      open(folder.path(), {kPhoto}, [](SourceOptions& o) { set_stretch(o), o.threads = 4; });
  const int64_t count = opened.source->size();
  REQUIRE(count >= 40);
  std::vector<ir::Tensor> one(static_cast<size_t>(count)), many(static_cast<size_t>(3 * count));
  for (int64_t i = 0; i < count; ++i) one[i] = opened.source->load(i)[0];
  parallel_for(3 * count, 4, [&](int64_t i, int) { many[i] = opened.source->load(i % count)[0]; });
  bool same = true;
  for (size_t i = 0; i < many.size(); ++i) same = same && ir::equal(many[i], one[i % one.size()]);
  CHECK(same);
}
