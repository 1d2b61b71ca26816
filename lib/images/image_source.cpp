// See image_source.h. A source is a list of names and a function that loads one of them; what differs between
// pictures and tensors is that function and the check that open_folder() makes of each file beforehand.
#include "images/image_source.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>

#include "base/files.h"
#include "base/parallel.h"
#include "base/text.h"
#include "images/apply.h"
#include "images/decode.h"
#include "images/fit.h"
#include "images/kept_pictures.h"
#include "images/listing.h"
#include "images/tensor_files.h"

namespace qc::images {
namespace {

namespace fs = std::filesystem;
using Inputs = std::vector<InputSpec>;

constexpr int64_t kKeptBytes = int64_t{6} << 20;  // of pictures that are asked for again

using Load = std::function<std::vector<ir::Tensor>(const Item&)>;

// What the check of one file found besides errors.
struct Finding {
  bool deep_gray = false;
  std::string wrong_size;  // "a.jpg (300 x 256)": not the model's size
};
using Check = std::function<Finding(const Item&)>;

class FolderSource : public ImageSource {
 public:
  FolderSource(std::vector<Item> items, Load load, std::optional<PictureAt> picture, std::string description)
      : items_(std::move(items)),
        load_(std::move(load)),
        picture_(picture),
        description_(std::move(description)) {}
  std::optional<PictureAt> picture() const override { return picture_; }
  std::string description() const override { return description_; }
  int64_t size() const override { return std::ssize(items_); }
  std::string name(int64_t index) const override { return items_[index].name; }
  std::vector<ir::Tensor> load(int64_t index) const override {
    try {
      return load_(items_[index]);
    } catch (const Error& error) {
      if (error.exit != Exit::kInput) throw;
      throw_all(error);
    }
  }

 private:
  // One file turned out bad: try them all, once, so that the user can mend everything in one go.
  [[noreturn]] void throw_all(const Error& first) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!all_) {
      std::vector<Problem> problems;
      for (const Item& item : items_) {
        try {
          load_(item);
        } catch (const Error& error) {
          problems.insert(problems.end(), error.problems.begin(), error.problems.end());
        }
      }
      all_ = problems.empty() ? first : Error(Exit::kInput, std::move(problems));
    }
    throw Error(*all_);
  }

  std::vector<Item> items_;
  Load load_;
  std::optional<PictureAt> picture_;
  std::string description_;
  mutable std::mutex mutex_;
  mutable std::optional<Error> all_;
};

// --- pictures
std::string read_part(const fs::path& path, int64_t from, int64_t count) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(count, '\0');
  if (file.seekg(from) && file.read(bytes.data(), count)) return bytes;
  const std::string all = read_file(path);  // says why it cannot be read; or the file has become shorter
  return all.substr(std::min(static_cast<size_t>(from), all.size()), static_cast<size_t>(count));
}

// Headers may stand behind long metadata: first the beginning, then all of the file.
PictureInfo header_of(const fs::path& path, int64_t file_size, std::string& head) {
  constexpr int64_t kHead = 65536;
  head = file_size > kHead ? read_part(path, 0, kHead) : read_file(path);
  try {
    return read_header(head, path.string());
  } catch (const Error&) {
    if (file_size <= kHead) throw;
    return read_header(read_file(path), path.string());
  }
}

Geometry geometry_for(const PictureInput& input, int64_t width, int64_t height, const fs::path& path) {
  try {
    return geometry_of(input.preprocess, width, height);
  } catch (const BadPicture& problem) {
    throw_bad_picture(path.string(), problem.what());
  }
}

std::string wrong_size(const PictureInput& input, const Geometry& geometry) {
  const bool fits = (input.height < 0 || input.height == geometry.height) &&
                    (input.width < 0 || input.width == geometry.width);
  return fits ? "" : format("{} x {}", geometry.height, geometry.width);
}

Finding check_picture(const Item& item, const PictureInput& input) {
  const fs::path& path = item.files[0];
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error) read_file(path);  // says why
  const int64_t file_size = error ? 0 : static_cast<int64_t>(size);
  std::string head;
  const PictureInfo info = header_of(path, file_size, head);
  const int64_t tail_at = std::max<int64_t>(0, file_size - 16);
  if (may_be_truncated(head, read_part(path, tail_at, file_size - tail_at), file_size)) {
    decode(read_file(path), path.string());
  }
  const std::string wrong = wrong_size(input, geometry_for(input, info.width, info.height, path));
  return {info.deep_gray, wrong.empty() ? "" : format("{} ({})", item.name, wrong)};
}

Fitted read_picture(const fs::path& path, const PictureInput& input) {
  Picture picture = decode(read_file(path), path.string());
  const std::string wrong = wrong_size(input, geometry_for(input, picture.width, picture.height, path));
  if (!wrong.empty())
    throw_bad_picture(path.string(), format("it becomes {}, which is not the model's size", wrong));
  return fit(std::move(picture), input.preprocess);
}

// `others` holds the tensors of the inputs that pictures do not feed; its slot for the picture is filled in.
std::vector<ir::Tensor> load_picture(const Item& item, const PictureInput& input, ir::DType dtype,
                                     std::vector<ir::Tensor> others, KeptPictures& kept) {
  std::optional<Fitted> fitted = kept.find(item.name);
  if (!fitted) {
    fitted = read_picture(item.files[0], input);
    kept.offer(item.name, *fitted);
  }
  others[input.index] = to_tensor(*fitted, input.preprocess, input.layout, dtype);
  return others;
}

// --- tensors
const ir::Tensor& tensor_named(const NamedTensors& tensors, const InputSpec& input, const fs::path& path) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : tensors) {
    if (key == input.name) return tensor;
    keys.push_back(key);
  }
  throw Error(Exit::kInput, {"no-key", path.string(),
                             format("it has no array '{}' for the input of that name; it has: {}", input.name,
                                    some_of(keys)),
                             format("save it with numpy.savez(file, **{{'{}': x}})", input.name)});
}

std::vector<ir::Tensor> load_npy(const Item& item, const Inputs& inputs) {
  const std::string place = item.files[0].string();
  return {fit_tensor(read_npy(read_file(item.files[0]), place), inputs[0], place)};
}

std::vector<ir::Tensor> load_npz(const Item& item, const Inputs& inputs) {
  const std::string place = item.files[0].string();
  const NamedTensors tensors = read_npz(read_file(item.files[0]), place);
  std::vector<ir::Tensor> loaded;
  for (const InputSpec& input : inputs) {
    loaded.push_back(fit_tensor(tensor_named(tensors, input, item.files[0]), input,
                                format("{}, array '{}'", place, input.name)));
  }
  return loaded;
}

std::vector<ir::Tensor> load_pb(const Item& item, const Inputs& inputs) {
  std::vector<ir::Tensor> loaded;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string place = item.files[i].string();
    loaded.push_back(fit_tensor(read_pb(read_file(item.files[i]), place).second, inputs[i], place));
  }
  return loaded;
}

Finding check_npy(const Item& item, const Inputs& inputs) {
  const fs::path& path = item.files[0];
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  const std::string head = error || size < 4096 ? read_file(path) : read_part(path, 0, 4096);
  const NpyHeader header = npy_header(head, path.string());
  check_tensor(header.dtype, header.dims, inputs[0], path.string());
  const auto needed =
      static_cast<uintmax_t>(ir::element_count(header.dims) * ir::bits_of(header.dtype) / 8) + header.data_at;
  if (!error && size < needed) read_npy(read_file(path), path.string());  // says what is missing
  return {};
}

Finding check_npz(const Item& item, const Inputs& inputs) {
  NamedTensors keys;
  for (std::string& key : npz_keys(read_file(item.files[0]), item.files[0].string()))
    keys.emplace_back(std::move(key), ir::Tensor{});
  for (const InputSpec& input : inputs) tensor_named(keys, input, item.files[0]);
  return {};
}

Finding check_pb(const Item& item, const Inputs& inputs) {
  load_pb(item, inputs);  // a TensorProto has no header to look at: reading it is the check
  return {};
}

// --- opening
std::string description_of(Kind kind, const Preprocess& preprocess) {
  switch (kind) {
    case Kind::kPictures:
      return describe(preprocess);
    case Kind::kNpy:
      return ".npy files as they are";
    case Kind::kNpz:
      return ".npz files as they are";
    case Kind::kPb:
      return ".pb files as they are";
  }
  return "";
}

struct Steps {
  Load load;
  Check check;
  std::optional<PictureInput> picture;
};

// The inputs beside the picture, from the .npz that other_inputs names; an empty tensor where the picture
// goes.
std::vector<ir::Tensor> other_inputs(const SourceOptions& options, const Inputs& inputs, size_t picture_at) {
  std::vector<ir::Tensor> tensors(inputs.size());
  if (inputs.size() == 1) return tensors;
  Inputs others;
  const auto asked_for = [&](size_t i) { return i != picture_at && inputs[i].read; };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (asked_for(i)) others.push_back(inputs[i]);
    if (!inputs[i].read) tensors[i] = ir::zeros(inputs[i].dtype, inputs[i].dims);
  }
  if (others.empty()) return tensors;
  if (options.other_inputs.empty()) {
    std::vector<std::string> names;
    for (const InputSpec& input : others)
      names.push_back(format("'{}' ({})", input.name, type_text(input.dtype, input.dims)));
    throw Error(Exit::kInput,
                {"inputs-missing", options.folder.string(),
                 format("pictures feed '{}'; nothing feeds {}", inputs[picture_at].name, join(names, ", ")),
                 "name an .npz with their values as \"other_inputs\" in representative_dataset, or give a "
                 "folder of .npz files with all inputs"});
  }
  std::vector<ir::Tensor> loaded = load_npz({"", {options.other_inputs}}, others);
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (asked_for(i)) tensors[i] = std::move(loaded[next++]);
  }
  return tensors;
}

Steps steps_for(const Listing& listing, const SourceOptions& options, const Inputs& inputs,
                Diagnostics& diagnostics) {
  const auto both = [&inputs](auto load, auto check) -> Steps {
    return {[inputs, load](const Item& item) { return load(item, inputs); },
            [inputs, check](const Item& item) { return check(item, inputs); }, std::nullopt};
  };
  switch (listing.kind) {
    case Kind::kNpz:
      return both(load_npz, check_npz);
    case Kind::kPb:
      return both(load_pb, check_pb);
    case Kind::kNpy:
      return both(load_npy, check_npy);
    case Kind::kPictures:
      break;
  }
  const PictureInput input = fit_pictures(options, inputs, diagnostics);
  const ir::DType dtype = inputs[input.index].dtype;
  return {[input, dtype, others = other_inputs(options, inputs, input.index),
           kept = std::make_shared<KeptPictures>(kKeptBytes)](const Item& item) {
            return load_picture(item, input, dtype, others, *kept);
          },
          [input](const Item& item) { return check_picture(item, input); }, input};
}

void check_kind(const Listing& listing, const SourceOptions& options, const Inputs& inputs) {
  const bool single = listing.kind == Kind::kNpy ||
                      (listing.kind == Kind::kPb && listing.items[0].files.size() != inputs.size());
  if (inputs.empty()) {
    throw Error(Exit::kInput, {"no-inputs", "the model", "it has no inputs to feed images to",
                               "check that it is the right model"});
  }
  if (!single || inputs.size() == 1) return;
  std::vector<std::string> names;
  for (const InputSpec& input : inputs) names.push_back("'" + input.name + "'");
  throw Error(Exit::kInput,
              {"inputs-missing", options.folder.string(),
               format("a file of it feeds one input, the model has {}: {}", inputs.size(), join(names, ", ")),
               "give .npz files with one array for each input, keyed by its name"});
}

struct Checked {
  std::vector<Problem> problems;  // empty: the file is good
  Finding finding;
};

std::vector<Checked> check_all(const Listing& listing, const Steps& steps, const SourceOptions& options) {
  std::vector<Checked> checked(listing.items.size());
  parallel_for(std::ssize(listing.items), std::max(1, options.threads), [&](int64_t index, int) {
    const Item& item = listing.items[index];
    Checked& result = checked[index];
    try {
      result.finding = steps.check(item);
      if (options.skip_bad && result.finding.wrong_size.empty()) steps.load(item);
    } catch (const Error& error) {
      if (error.exit != Exit::kInput) throw;
      result.problems = error.problems;
    }
  });
  return checked;
}

// Bad files go, into one error or one warning.
std::vector<Item> keep_good(std::vector<Item> items, const std::vector<Checked>& checked,
                            const SourceOptions& options, Diagnostics& diagnostics) {
  std::vector<Item> good;
  std::vector<Problem> problems;
  std::vector<std::string> skipped;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::vector<Problem>& found = checked[i].problems;
    problems.insert(problems.end(), found.begin(), found.end());
    if (found.empty()) {
      good.push_back(std::move(items[i]));
    } else {
      skipped.push_back(format("{} ({})", items[i].name, found[0].cause));
    }
  }
  if (problems.empty()) return good;
  if (!options.skip_bad) throw Error(Exit::kInput, std::move(problems));
  if (good.empty())
    throw Error(Exit::kInput, {"no-images", options.folder.string(),
                               format("none of its files can be used: {}", join(skipped, ", ")),
                               "replace them, or name another folder"});
  diagnostics.warning({"skipped-images", options.folder.string(),
                       format("{} of {} files cannot be used and are skipped: {}", skipped.size(),
                              items.size(), join(skipped, ", ")),
                       "replace or remove them"});
  return good;
}

void check_findings(const std::vector<Checked>& checked, const Listing& listing, const SourceOptions& options,
                    const Steps& steps, const Inputs& inputs, Diagnostics& diagnostics) {
  std::vector<std::string> wrong, deep;
  for (size_t i = 0; i < checked.size(); ++i) {
    if (!checked[i].finding.wrong_size.empty()) wrong.push_back(checked[i].finding.wrong_size);
    if (checked[i].finding.deep_gray) deep.push_back(listing.items[i].name);
  }
  if (!wrong.empty()) {
    const InputSpec& input = inputs[steps.picture->index];
    throw Error(Exit::kInput,
                {"size", options.folder.string(),
                 format("input '{}' takes {}; after the preprocessing these pictures have another size "
                        "(height x width): {}",
                        input.name, type_text(input.dtype, input.dims), some_of(wrong)),
                 "set \"center_crop\" (or another \"resize\") to the model's size in preprocess"});
  }
  if (!deep.empty()) {
    diagnostics.warning(
        {"deep-gray", options.folder.string(),
         format("gray pictures with more than 8 bits are cut at 255, as Pillow's convert() does: {}",
                some_of(deep)),
         "save them with 8 bits if that is not what the model saw"});
  }
}

}  // namespace

std::unique_ptr<ImageSource> open_folder(const SourceOptions& options, const std::vector<InputSpec>& inputs,
                                         Diagnostics& diagnostics) {
  Listing listing =
      list_folder(options.folder, options.max_images, std::ssize(inputs), options.other_inputs, diagnostics);
  if (listing.items.empty()) {
    throw Error(Exit::kInput, {"no-images", "/representative_dataset/max_images",
                               format("it is {}", options.max_images), "set it to 1 or more"});
  }
  check_kind(listing, options, inputs);
  if (!options.other_inputs.empty() && (inputs.size() == 1 || listing.kind != Kind::kPictures))
    diagnostics.warning(
        {"unused-inputs", "/representative_dataset/other_inputs",
         inputs.size() == 1
             ? "the model has no input beside the one that the folder feeds; the file is not read"
             : "the folder's files hold all inputs; the file is not read",
         "leave it out"});
  Steps steps = steps_for(listing, options, inputs, diagnostics);
  const std::vector<Checked> checked = check_all(listing, steps, options);
  check_findings(checked, listing, options, steps, inputs, diagnostics);
  std::vector<Item> good = keep_good(std::move(listing.items), checked, options, diagnostics);
  std::optional<ImageSource::PictureAt> picture;
  if (steps.picture)
    picture = {steps.picture->index, steps.picture->layout == Layout::kNhwc ? size_t{2} : size_t{3}};
  return std::make_unique<FolderSource>(std::move(good), std::move(steps.load), picture,
                                        description_of(listing.kind, options.preprocess));
}

std::string unit_of(const ImageSource& source) {
  return source.picture() ? "image" : "sample";
}

std::vector<ir::Tensor> load_mirrored(const ImageSource& source, int64_t index) {
  const ImageSource::PictureAt at = source.picture().value();
  std::vector<ir::Tensor> tensors = source.load(index);
  ir::Tensor& picture = tensors[at.input];
  const auto width = static_cast<size_t>(picture.dims[at.width_axis]);
  size_t pixel = static_cast<size_t>(ir::bits_of(picture.dtype)) / 8;
  for (size_t axis = at.width_axis + 1; axis < picture.dims.size(); ++axis)
    pixel *= static_cast<size_t>(picture.dims[axis]);
  std::string bytes = *picture.bytes;
  for (size_t row = 0; row < bytes.size(); row += width * pixel)
    for (size_t left = 0, right = width - 1; left < right; ++left, --right)
      std::swap_ranges(bytes.data() + row + left * pixel, bytes.data() + row + (left + 1) * pixel,
                       bytes.data() + row + right * pixel);
  picture.bytes = std::make_shared<const std::string>(std::move(bytes));
  return tensors;
}

}  // namespace qc::images
