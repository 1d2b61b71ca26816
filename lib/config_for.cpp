// See config_for.h.
#include "config_for.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "onnx_io/onnx_io.h"

namespace qc {
namespace {

constexpr size_t kPictureRank = 4;

// A picture as a model takes it; sizes below 1 are open.
struct Picture {
  int64_t channels = 0, height = 0, width = 0;
};

std::optional<Picture> picture_of(const ir::Value& value) {
  if (value.dtype != ir::DType::kFloat && value.dtype != ir::DType::kUint8) return std::nullopt;
  if (!value.has_shape || value.dims.size() != kPictureRank) return std::nullopt;
  const auto is_channels = [](int64_t dim) { return dim == 1 || dim == 3 || dim == 4; };
  if (is_channels(value.dims[1])) return Picture{value.dims[1], value.dims[2], value.dims[3]};
  if (is_channels(value.dims[3])) return Picture{value.dims[3], value.dims[1], value.dims[2]};
  return std::nullopt;
}

std::string resize_lines(const Picture& picture) {
  if (picture.height < 1 || picture.width < 1)
    return "      // The model leaves its height and width open: \"none\" feeds every image at its own "
           "size,\n"
           "      // with \"multiple_of\": 32 (or so) where the model takes no others; {\"stretch\": "
           "[height, width]} "
           "gives\n"
           "      // all the same.\n"
           "      \"resize\": \"none\",\n";
  return format(
      "      // How pictures get to {0} x {1} (height x width). As your training did: \"stretch\" as here; "
      "or\n"
      "      // {{\"short_side\": N}} with \"center_crop\": [{0}, {1}]; or {{\"letterbox\": [{0}, {1}]}}.\n"
      "      \"resize\": {{\"stretch\": [{0}, {1}]}},\n",
      picture.height, picture.width);
}

constexpr const char* kInFloats =
    "      // The model gets (pixel - mean) / std, pixels from 0 to 255: one number, or one a channel.\n"
    "      // 0 and 255 are pixels from 0 to 1. ImageNet's: [123.675, 116.28, 103.53] and [58.395, 57.12, "
    "57.375].\n"
    "      \"mean\": 0,\n"
    "      \"std\": 255\n";
constexpr const char* kAsTheyAre =
    "      // The model takes uint8: pixels from 0 to 255 as they are.\n"
    "      \"mean\": 0,\n"
    "      \"std\": 1\n";

std::string preprocess_lines(const Picture& picture, ir::DType dtype) {
  const char* color = picture.channels == 1 ? "GRAY" : picture.channels == 4 ? "RGBA" : "RGB";
  const std::string color_comment =
      picture.channels == 1 ? "" : " // BGR and BGRA where your training read with OpenCV";
  return format(
      "    \"preprocess\": {{\n"
      "      \"color\": \"{}\",{}\n{}{}    }}\n",
      color, color_comment, resize_lines(picture), dtype == ir::DType::kUint8 ? kAsTheyAre : kInFloats);
}

const ir::Value& input(const ir::Graph& graph, size_t index) {
  return ir::value_at(graph, graph.inputs[index]);
}

std::string dataset_lines(const ir::Graph& graph) {
  std::string text =
      "  \"representative_dataset\": {\n"
      "    // A folder of pictures (or .npy, .npz, .pb tensors) like those the model will see; 100 to 500 "
      "are enough.\n"
      "    \"path\": \"calib\",\n";
  std::optional<Picture> picture;
  size_t which = 0;
  for (size_t i = 0; i < graph.inputs.size() && !picture; ++i) {
    picture = picture_of(input(graph, i));
    which = i;
  }
  if (!picture)
    return text +
           "    // No input looks like a picture: give .npy files (one input) or .npz files with one array "
           "an input, by\n"
           "    // the names above. They are taken as they are.\n"
           "    \"max_images\": 500\n  }";
  text += "    \"max_images\": 500,\n";
  if (graph.inputs.size() > 1)
    text += format(
        "    \"input\": {},\n"
        "    // The other inputs, the same for every picture: an .npz with one array an input.\n"
        "    \"other_inputs\": \"other_inputs.npz\",\n",
        json_quoted(input(graph, which).name));
  return text + preprocess_lines(*picture, input(graph, which).dtype) + "  }";
}

// Dimensions that the model leaves open beyond the batch.
std::string shape_lines(const ir::Graph& graph) {
  std::vector<std::string> rows;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Value& value = input(graph, i);
    if (!value.has_shape || std::none_of(value.dims.begin() + (value.dims.empty() ? 0 : 1), value.dims.end(),
                                         [](int64_t dim) { return dim < 0; }))
      continue;
    rows.push_back(format("    {}: [{}]", json_quoted(value.name), fmt::join(value.dims, ", ")));
  }
  if (rows.empty()) return "";
  return "  // Sizes for dimensions that the model leaves open; -1 leaves one open.\n  \"input_shapes\": "
         "{\n" +
         join(rows, ",\n") + "\n  },\n";
}

}  // namespace

std::string config_for(const std::filesystem::path& model) {
  Diagnostics diagnostics;
  const ir::Graph graph = onnx_io::read(model, diagnostics);
  onnx_io::check_convertible(graph, model);
  std::string text = format("// A config for {}, whose inputs are:\n", model.filename().string());
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Value& value = input(graph, i);
    text += format("//   {} {} {}\n", json_quoted(value.name), ir::name_of(value.dtype),
                   value.has_shape ? ir::shape_text(value) : "of unknown shape");
  }
  text += "// 'qconvert config' prints every key there is, with its default.\n{\n" + dataset_lines(graph) +
          ",\n" + shape_lines(graph);
  text +=
      "  // What the file has to run on: 'qconvert targets' lists names.\n"
      "  \"target_platform_capabilities\": \"int8\",\n"
      "  // Add \"tflite\" for LiteRT.\n"
      "  \"output\": {\"formats\": [\"onnx\"]},\n"
      "  // Bounds that make the exit code 5; null asks for nothing.\n"
      "  \"gates\": {\"max_file_size\": null, \"min_sqnr_db\": 15, \"min_agreement\": null}\n"
      "}\n";
  return text;
}

}  // namespace qc
