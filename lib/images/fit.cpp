// See fit.h.
#include "images/fit.h"

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/text.h"
#include "images/tensor_files.h"

namespace qc::images {
namespace {

using ir::DType;

const std::string kPreprocessAt = "/representative_dataset/preprocess";

bool is_free(int64_t dim) {
  return dim < 1;
}

std::string quoted_names(const std::vector<InputSpec>& inputs) {
  std::vector<std::string> names;
  for (const InputSpec& input : inputs) names.push_back("'" + input.name + "'");
  return join(names, ", ");
}

// Constants that an exporter left as inputs (the mean and deviation of Keras's Normalization) look like a
// pixel.
bool may_be_picture(const InputSpec& input) {
  constexpr int64_t kOnePixel = 4;
  return input.dims.size() == 4 && input.read &&
         (std::any_of(input.dims.begin(), input.dims.end(), is_free) ||
          ir::element_count(input.dims) > kOnePixel);
}

// A mask or a number that has its value from elsewhere is no picture, whatever its shape.
std::vector<size_t> without_others(const SourceOptions& options, const std::vector<InputSpec>& inputs,
                                   std::vector<size_t> pictures) {
  if (pictures.size() < 2) return pictures;
  std::vector<std::string> given;
  if (!options.other_inputs.empty())
    given = npz_keys(read_file(options.other_inputs), options.other_inputs.string());
  std::erase_if(pictures, [&](size_t i) {
    const bool pixels = inputs[i].dtype == DType::kFloat || inputs[i].dtype == DType::kUint8;
    return !pixels || std::find(given.begin(), given.end(), inputs[i].name) != given.end();
  });
  return pictures;
}

size_t find_image_input(const SourceOptions& options, const std::vector<InputSpec>& inputs) {
  std::vector<size_t> pictures;
  std::vector<std::string> names;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!options.image_input.empty() && inputs[i].name == options.image_input) return i;
    if (may_be_picture(inputs[i])) pictures.push_back(i);
    names.push_back(inputs[i].name);
  }
  if (!options.image_input.empty()) {
    const std::string meant = nearest(options.image_input, names);
    throw Error(Exit::kInput, {"no-such-input", "/representative_dataset/input",
                               format("the model has no input '{}'; its inputs are {}", options.image_input,
                                      quoted_names(inputs)),
                               meant.empty() ? "name one of them" : format("did you mean '{}'?", meant)});
  }
  if (inputs.size() == 1) return 0;
  pictures = without_others(options, inputs, std::move(pictures));
  if (pictures.size() == 1) return pictures[0];
  throw Error(Exit::kInput, {"image-input", "inputs of the model",
                             format("it is not clear which of {} takes the pictures", quoted_names(inputs)),
                             "name it as \"input\" in representative_dataset, or give .npz tensors"});
}

std::optional<Layout> layout_of(const InputSpec& input, const Preprocess& preprocess,
                                Diagnostics& diagnostics) {
  if (preprocess.layout != Layout::kUnset) return preprocess.layout;
  const auto fits = [](int64_t dim) { return dim == 1 || dim == 3 || dim == 4; };
  const bool first = fits(input.dims[1]), last = fits(input.dims[3]);
  if (first != last) return first ? Layout::kNchw : Layout::kNhwc;
  const std::string place = format("input '{}' of the model", input.name);
  const std::string shape = type_text(input.dtype, input.dims);
  if (!first && !is_free(input.dims[1]) && !is_free(input.dims[3])) {
    diagnostics.error({"channels", place,
                       format("no dimension of {} is 1, 3 or 4 channels of a picture", shape),
                       "give the inputs as .npy or .npz tensors"});
  } else {
    diagnostics.error({"layout", place, format("{} does not show which dimension counts the channels", shape),
                       "set \"layout\": \"NCHW\" or \"NHWC\" in preprocess"});
  }
  return std::nullopt;
}

void check_channels(const InputSpec& input, int64_t takes, const Preprocess& p, Diagnostics& diagnostics) {
  const int64_t gives = channels_of(p.color);
  if (is_free(takes) || takes == gives) return;
  const Layout stated = p.layout;
  const bool other_way = stated != Layout::kUnset && input.dims[stated == Layout::kNchw ? 3 : 1] == gives;
  const char* remedy = other_way    ? (stated == Layout::kNchw ? "leave \"layout\" out, or set it to \"NHWC\""
                                                               : "leave \"layout\" out, or set it to \"NCHW\"")
                       : takes == 1 ? "set \"color\": \"GRAY\" in preprocess"
                       : takes == 3 ? "set \"color\": \"RGB\" or \"BGR\" in preprocess"
                       : takes == 4 ? "set \"color\": \"RGBA\" or \"BGRA\" in preprocess"
                                    : "give the inputs as .npy or .npz tensors";
  diagnostics.error(
      {"channels", format("input '{}' of the model", input.name),
       format("it takes {} channel{}, the preprocessing makes {}", takes, takes == 1 ? "" : "s", gives),
       remedy});
}

void check_type(const InputSpec& input, const Preprocess& preprocess, Diagnostics& diagnostics) {
  const std::string place = format("input '{}' of the model", input.name);
  if (input.dtype != DType::kFloat && input.dtype != DType::kUint8) {
    diagnostics.error({"input-type", place,
                       format("pictures become float32 or uint8, it takes {}", ir::name_of(input.dtype)),
                       "give the inputs as .npy or .npz tensors"});
  }
  const auto all = [](const std::vector<float>& values, float wanted) {
    return std::all_of(values.begin(), values.end(), [wanted](float value) { return value == wanted; });
  };
  if (input.dtype == DType::kUint8 && !(all(preprocess.mean, 0) && all(preprocess.std, 1))) {
    diagnostics.error({"input-type", place,
                       "it takes uint8 pixels, which mean and std would turn into fractions",
                       "remove mean and std from preprocess"});
  }
  if (!is_free(input.dims[0]) && input.dims[0] != 1) {
    diagnostics.error(
        {"batch", place, format("it takes batches of {}, pictures come one by one", input.dims[0]),
         "export the model with batch 1 or a symbolic batch, or give .npy tensors of whole batches"});
  }
}

// kUnset becomes what it stands for; sizes that contradict the model's are errors.
void resolve_size(const InputSpec& input, PictureInput& result, Diagnostics& diagnostics) {
  Preprocess& p = result.preprocess;
  const bool free = is_free(result.height) || is_free(result.width);
  if (p.resize == ResizeKind::kUnset && p.center_crop) p.resize = ResizeKind::kNone;
  if (p.resize == ResizeKind::kUnset) {
    if (free) {
      diagnostics.error({"no-size", format("input '{}' of the model", input.name),
                         format("neither {} nor the preprocessing says how large pictures are to be",
                                type_text(input.dtype, input.dims)),
                         "set \"resize\" or \"center_crop\" in preprocess, or input_shapes in the config"});
      return;
    }
    p.resize = ResizeKind::kStretch;
    p.height = result.height;
    p.width = result.width;
    diagnostics.warning({"default-preprocess", kPreprocessAt,
                         format("it says nothing of the size, so pictures are prepared as: {}", describe(p)),
                         "say how the model was trained: \"resize\", \"mean\" and \"std\""});
    return;
  }
  const auto size = fixed_size(p);
  if (!size) return;
  const auto [height, width] = *size;
  const bool fits =
      (is_free(result.height) || result.height == height) && (is_free(result.width) || result.width == width);
  if (fits) return;
  const auto text = [](int64_t side) { return is_free(side) ? std::string("any") : format("{}", side); };
  diagnostics.error({"size", kPreprocessAt + (p.center_crop ? "/center_crop" : "/resize"),
                     format("it makes pictures of {} x {}, input '{}' takes {} x {} (height x width)", height,
                            width, input.name, text(result.height), text(result.width)),
                     "give the model's size here"});
}

template <typename From>
std::string as_floats(const ir::Tensor& tensor) {
  const auto values = tensor.as<From>();
  std::string bytes(values.size() * sizeof(float), '\0');
  float* out = reinterpret_cast<float*>(bytes.data());
  std::transform(values.begin(), values.end(), out, [](From value) { return static_cast<float>(value); });
  return bytes;
}

struct Widening {
  DType from;
  std::string (*to_float)(const ir::Tensor&);
};
constexpr Widening kWidenings[] = {
    {DType::kDouble, as_floats<double>},   {DType::kUint8, as_floats<uint8_t>},
    {DType::kInt8, as_floats<int8_t>},     {DType::kInt32, as_floats<int32_t>},
    {DType::kInt16, as_floats<int16_t>},   {DType::kUint16, as_floats<uint16_t>},
    {DType::kUint32, as_floats<uint32_t>}, {DType::kInt64, as_floats<int64_t>},
    {DType::kBool, as_floats<uint8_t>}};

const Widening* widening(DType from) {
  const auto found = std::find_if(std::begin(kWidenings), std::end(kWidenings),
                                  [from](const Widening& w) { return w.from == from; });
  return found == std::end(kWidenings) ? nullptr : found;
}

// Dims with the batch dimension in front where the file left it out.
std::vector<int64_t> with_batch(const std::vector<int64_t>& dims, const InputSpec& input) {
  std::vector<int64_t> full = dims;
  const bool lacks_batch =
      dims.size() + 1 == input.dims.size() && (is_free(input.dims[0]) || input.dims[0] == 1);
  if (lacks_batch) full.insert(full.begin(), 1);
  return full;
}

// The tensor differs only in rows, of which the model takes any number and this conversion one.
bool only_rows_differ(const std::vector<int64_t>& full, const InputSpec& input) {
  if (!input.free_rows || full.empty() || full.size() != input.dims.size() || full[0] == input.dims[0])
    return false;
  for (size_t i = 1; i < full.size(); ++i)
    if (!is_free(input.dims[i]) && full[i] != input.dims[i]) return false;
  return true;
}

std::string shape_remedy(const std::vector<int64_t>& full, const InputSpec& input) {
  if (!only_rows_differ(full, input)) return "save tensors of the input's shape";
  std::vector<int64_t> dims = input.dims;
  dims[0] = full[0];
  return format(
      "a .tflite has one size for it, 1 where none is said: \"input_shapes\": {{{}: [{}]}} in the config, "
      "and "
      "other inputs like it; or save tensors of the input's shape",
      json_quoted(input.name), fmt::join(dims, ", "));
}

}  // namespace

std::string type_text(DType dtype, const std::vector<int64_t>& dims) {
  std::vector<std::string> texts;
  for (const int64_t dim : dims) texts.push_back(is_free(dim) ? "?" : format("{}", dim));
  return format("{} [{}]", ir::name_of(dtype), join(texts, ", "));
}

PictureInput fit_pictures(const SourceOptions& options, const std::vector<InputSpec>& inputs,
                          Diagnostics& diagnostics) {
  PictureInput result;
  result.index = find_image_input(options, inputs);
  result.preprocess = options.preprocess;
  const InputSpec& input = inputs[result.index];
  if (input.dims.size() != 4) {
    throw Error(Exit::kInput, {"input-rank", format("input '{}' of the model", input.name),
                               format("{} has rank {}, pictures have rank 4 (batch, channels, height, width)",
                                      type_text(input.dtype, input.dims), input.dims.size()),
                               "give the inputs as .npy or .npz tensors"});
  }
  Diagnostics found;
  for (const PreprocessProblem& problem : check(options.preprocess)) {
    found.error({"preprocess", kPreprocessAt + "/" + problem.key, problem.cause, problem.remedy});
  }
  check_type(input, options.preprocess, found);
  if (const auto layout = layout_of(input, options.preprocess, found)) {
    const size_t channels_at = *layout == Layout::kNchw ? 1 : 3, height_at = *layout == Layout::kNchw ? 2 : 1;
    result.layout = *layout;
    result.height = is_free(input.dims[height_at]) ? -1 : input.dims[height_at];
    result.width = is_free(input.dims[height_at + 1]) ? -1 : input.dims[height_at + 1];
    check_channels(input, input.dims[channels_at], options.preprocess, found);
    if (found.errors.empty()) resolve_size(input, result, found);
  }
  found.throw_if_errors(Exit::kInput);
  for (Problem& warning : found.warnings) diagnostics.warning(std::move(warning));
  return result;
}

void check_tensor(DType dtype, const std::vector<int64_t>& dims, const InputSpec& input,
                  const std::string& place) {
  const std::vector<int64_t> full = with_batch(dims, input);
  bool fits = full.size() == input.dims.size();
  for (size_t i = 0; fits && i < full.size(); ++i) fits = is_free(input.dims[i]) || full[i] == input.dims[i];
  const std::string takes = format("input '{}' takes {}", input.name, type_text(input.dtype, input.dims));
  if (!fits) {
    throw Error(Exit::kInput, {"tensor-shape", place,
                               format("it is {} [{}], {}", ir::name_of(dtype), fmt::join(dims, ", "), takes),
                               shape_remedy(full, input)});
  }
  if (dtype != input.dtype && !(input.dtype == DType::kFloat && widening(dtype))) {
    throw Error(Exit::kInput, {"tensor-type", place, format("it is {}, {}", ir::name_of(dtype), takes),
                               format("save it as {}", ir::name_of(input.dtype))});
  }
}

ir::Tensor fit_tensor(ir::Tensor tensor, const InputSpec& input, const std::string& place) {
  check_tensor(tensor.dtype, tensor.dims, input, place);
  tensor.dims = with_batch(tensor.dims, input);
  if (tensor.dtype == input.dtype) return tensor;
  return ir::make_tensor(DType::kFloat, widening(tensor.dtype)->to_float(tensor), std::move(tensor.dims));
}

}  // namespace qc::images
