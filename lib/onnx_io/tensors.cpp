// See tensors.h. Which field holds the numbers of which type: onnx.proto, comments of TensorProto.
#include "onnx_io/tensors.h"

#include <fcntl.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "base/text.h"

namespace qc::onnx_io {
namespace {

constexpr const char* kAskForData =
    "put the data files beside the model again, as they were when it was saved";

template <typename Wide, typename Field>
std::string narrow(const Field& field) {
  std::string bytes(static_cast<size_t>(field.size()) * sizeof(Wide), '\0');
  for (int i = 0; i < field.size(); ++i) {
    const Wide element = static_cast<Wide>(field.Get(i));
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(Wide), &element, sizeof(Wide));
  }
  return bytes;
}

// The typed field of this data type as raw bytes. 4-bit types hold a packed pair in each int32.
std::string typed_bytes(const onnx::TensorProto& proto, ir::DType type) {
  using ir::DType;
  switch (type) {
    case DType::kFloat:
    case DType::kComplex64:
      return narrow<float>(proto.float_data());
    case DType::kDouble:
    case DType::kComplex128:
      return narrow<double>(proto.double_data());
    case DType::kInt64:
      return narrow<int64_t>(proto.int64_data());
    case DType::kUint64:
      return narrow<uint64_t>(proto.uint64_data());
    case DType::kUint32:
      return narrow<uint32_t>(proto.uint64_data());
    case DType::kInt32:
      return narrow<int32_t>(proto.int32_data());
    case DType::kInt16:
    case DType::kUint16:
    case DType::kFloat16:
    case DType::kBfloat16:
      return narrow<uint16_t>(proto.int32_data());
    default:
      return narrow<uint8_t>(proto.int32_data());
  }
}

void clear_numbers(onnx::TensorProto& proto) {
  proto.clear_raw_data();
  proto.clear_float_data();
  proto.clear_double_data();
  proto.clear_int32_data();
  proto.clear_int64_data();
  proto.clear_uint64_data();
  proto.clear_string_data();
  proto.clear_external_data();
  proto.clear_data_location();
}

bool parse_number(const std::string& text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

// Both without links.
bool is_inside(const std::filesystem::path& file, const std::filesystem::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first == folder.end();
}

// The bytes that the external_data entries point at. `expected` < 0: not known beforehand.
std::optional<std::string> external_bytes(const onnx::TensorProto& proto, int64_t expected,
                                          ExternalFiles& files, const std::string& place,
                                          Diagnostics& diagnostics) {
  std::string location;
  int64_t offset = 0, length = expected;
  for (const auto& entry : proto.external_data()) {
    const bool number = entry.key() == "offset" || entry.key() == "length";
    if (entry.key() == "location") location = entry.value();
    if (number && !parse_number(entry.value(), entry.key() == "offset" ? offset : length)) {
      diagnostics.error(
          {"external-data", place,
           format("its external_data says {} '{}', which is no number", entry.key(), entry.value()),
           "export the model again"});
      return std::nullopt;
    }
  }
  if (expected >= 0 && length != expected) {
    diagnostics.error(
        {"external-data", place,
         format("its external data is {} bytes long, its type and shape need {}", length, expected),
         "export the model again"});
    return std::nullopt;
  }
  return files.read(location, offset, length, place, diagnostics);
}

// Bytes of `dims` elements of `bits` bits, packed; nullopt for negative dims and numbers beyond int64.
std::optional<int64_t> packed_bytes(const std::vector<int64_t>& dims, int bits) {
  int64_t count = 1, total = 0;
  for (const int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(count, d, &count)) return std::nullopt;
  if (__builtin_mul_overflow(count, bits, &total)) return std::nullopt;
  return total / 8 + (total % 8 != 0);
}

}  // namespace

ExternalFiles::~ExternalFiles() {
  for (const auto& [location, file] : files_)
    if (file.fd >= 0) ::close(file.fd);
}

void ExternalFiles::add(const std::string& location, std::string_view bytes) {
  File& file = files_[location];
  file.memory = bytes;
  file.size = static_cast<int64_t>(bytes.size());
}

int64_t ExternalFiles::bytes_on_disk() const {
  int64_t bytes = 0;
  for (const auto& [location, file] : files_) bytes += file.size;
  return bytes;
}

std::vector<std::string> ExternalFiles::names() const {
  std::vector<std::string> all;
  for (const auto& [location, file] : files_) all.push_back(location);
  return all;
}

ExternalFiles::File& ExternalFiles::open(const std::string& location) {
  namespace fs = std::filesystem;
  const auto [it, fresh] = files_.try_emplace(location);
  File& file = it->second;
  if (!fresh) return file;
  const fs::path relative(location);
  const bool climbs =
      std::any_of(relative.begin(), relative.end(), [](const fs::path& p) { return p == ".."; });
  std::error_code error;
  if (folder_.empty()) {
    file.problem = "a model that is not read from a file cannot have external data";
  } else if (location.empty() || location.find('\0') != std::string::npos) {
    file.problem = "its external_data names no file";
  } else if (relative.is_absolute() || climbs) {
    file.problem = format("its external data file '{}' lies outside the model's folder", location);
  } else {
    const fs::path base = fs::canonical(folder_, error);
    const fs::path real = error ? fs::path() : fs::canonical(folder_ / relative, error);
    struct stat info {};
    if (error) {
      file.problem = format("cannot open its external data file '{}': {}", location, error.message());
    } else if (!is_inside(real, base) && (linked_folder_.empty() || !is_inside(real, linked_folder_))) {
      file.problem =
          format("its external data file '{}' is a link to a place outside the model's folder", location);
    } else if (file.fd = ::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); file.fd < 0) {
      file.problem = format("cannot open its external data file '{}': {}", location, std::strerror(errno));
    } else if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      file.problem = format("its external data file '{}' is not a regular file", location);
    }
    file.size = info.st_size;
  }
  return file;
}

std::optional<std::string> ExternalFiles::read(const std::string& location, int64_t offset, int64_t length,
                                               const std::string& place, Diagnostics& diagnostics) {
  File& file = open(location);
  if (!file.problem.empty()) {
    if (!file.reported) diagnostics.error({"external-data", place, file.problem, kAskForData});
    file.reported = true;
    return std::nullopt;
  }
  if (length < 0) length = std::max<int64_t>(file.size - offset, 0);
  if (offset > file.size || length > file.size - offset) {
    diagnostics.error({"external-data", place,
                       format("its external data is bytes {} to {} of '{}', which has only {}", offset,
                              offset + std::min(length, INT64_MAX - offset), location, file.size),
                       kAskForData});
    return std::nullopt;
  }
  if (file.memory) return std::string(file.memory->substr(offset, length));
  std::string bytes(length, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        ::pread(file.fd, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      diagnostics.error({"external-data", place,
                         format("cannot read its external data file '{}': {}", location,
                                n < 0 ? std::strerror(errno) : "it became shorter"),
                         kAskForData});
      return std::nullopt;
    }
    done += static_cast<size_t>(n);
  }
  return bytes;
}

ir::Tensor take_tensor(onnx::TensorProto& proto, ExternalFiles& files, const std::string& place,
                       Diagnostics& diagnostics) {
  ir::Tensor tensor;
  tensor.dtype = static_cast<ir::DType>(proto.data_type());
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  const int bits = ir::bits_of(tensor.dtype);
  const auto expected = packed_bytes(tensor.dims, bits);
  const auto fail = [&](const std::string& cause) {
    diagnostics.error(
        {"bad-tensor", place, cause, "the file is damaged or was written wrongly: export the model again"});
    tensor = ir::make_tensor(tensor.dtype, "", {0});
    return tensor;
  };
  if (!expected || proto.has_segment()) return fail("its shape is impossible");

  std::string bytes;
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    auto data = external_bytes(proto, bits > 0 ? *expected : -1, files, place, diagnostics);
    if (!data) return ir::make_tensor(tensor.dtype, "", {0});
    if (bits > 0)
      bytes = std::move(*data);
    else
      proto.set_raw_data(std::move(*data));
    proto.clear_external_data();
    proto.clear_data_location();
  } else if (bits > 0 && proto.has_raw_data()) {
    bytes = std::move(*proto.mutable_raw_data());
  } else if (bits > 0) {
    bytes = typed_bytes(proto, tensor.dtype);
  }
  if (bits == 0) {  // strings and types newer than this program: as they are
    proto.clear_name();
    proto.clear_doc_string();
    tensor.opaque_proto = proto.SerializePartialAsString();
    tensor.bytes = std::make_shared<const std::string>();
  } else {
    if (static_cast<int64_t>(bytes.size()) != *expected)
      return fail(format("it holds {} bytes, its type and shape need {}", bytes.size(), *expected));
    tensor.bytes = std::make_shared<const std::string>(std::move(bytes));
  }
  clear_numbers(proto);
  return tensor;
}

namespace {

// Which elements of `dims` the indices name, one each or a coordinate for each dimension: rising, as the
// format has it, so none twice.
std::optional<std::vector<int64_t>> places_of(const ir::Tensor& indices, const std::vector<int64_t>& dims,
                                              int64_t count) {
  const auto rank = static_cast<int64_t>(dims.size());
  const bool flat = indices.dims == std::vector<int64_t>{count};
  if (indices.dtype != ir::DType::kInt64 || (!flat && indices.dims != std::vector<int64_t>{count, rank}))
    return std::nullopt;
  const std::span<const int64_t> given = indices.as<int64_t>();
  const std::vector<int64_t> all = {ir::element_count(dims)}, &limits = flat ? all : dims;
  std::vector<int64_t> places;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    int64_t place = 0;
    for (size_t d = 0; d < limits.size(); ++d) {
      const int64_t index = given[i * limits.size() + d];
      if (index < 0 || index >= limits[d]) return std::nullopt;
      place = place * limits[d] + index;
    }
    if (!places.empty() && place <= places.back()) return std::nullopt;
    places.push_back(place);
  }
  return places;
}

}  // namespace

std::optional<ir::Tensor> dense_tensor(const onnx::SparseTensorProto& proto, ExternalFiles& files,
                                       const std::string& place, Diagnostics& diagnostics) {
  constexpr int64_t kMostBytes = int64_t{64} << 20;
  const std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  const auto type = static_cast<ir::DType>(proto.values().data_type());
  const auto bytes = packed_bytes(dims, ir::bits_of(type));
  if (ir::bits_of(type) < 8 || !bytes || *bytes > kMostBytes) return std::nullopt;
  onnx::TensorProto stored = proto.values(), indices = proto.indices();
  const ir::Tensor values = take_tensor(stored, files, place, diagnostics);
  const auto places = places_of(take_tensor(indices, files, place, diagnostics), dims, values.size());
  if (!places) return std::nullopt;
  ir::Tensor dense = ir::zeros(type, dims);
  std::string numbers = *dense.bytes;
  const size_t size = static_cast<size_t>(ir::bits_of(type)) / 8;
  for (size_t i = 0; i < places->size(); ++i)
    numbers.replace(static_cast<size_t>((*places)[i]) * size, size, *values.bytes, i * size, size);
  dense.bytes = std::make_shared<const std::string>(std::move(numbers));
  return dense;
}

void embed_external_data(onnx::GraphProto& body, ExternalFiles& files, const std::string& place,
                         Diagnostics& diagnostics) {
  const auto embed = [&](onnx::TensorProto& tensor) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
    const auto bytes = packed_bytes({tensor.dims().begin(), tensor.dims().end()},
                                    ir::bits_of(static_cast<ir::DType>(tensor.data_type())));
    if (auto data = external_bytes(tensor, bytes.value_or(0) > 0 ? *bytes : -1, files, place, diagnostics))
      tensor.set_raw_data(std::move(*data));
    tensor.clear_external_data();
    tensor.clear_data_location();
  };
  for (auto& tensor : *body.mutable_initializer()) embed(tensor);
  for (auto& node : *body.mutable_node())
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) embed(*attribute.mutable_t());
      for (auto& tensor : *attribute.mutable_tensors()) embed(tensor);
      if (attribute.has_g()) embed_external_data(*attribute.mutable_g(), files, place, diagnostics);
      for (auto& graph : *attribute.mutable_graphs()) embed_external_data(graph, files, place, diagnostics);
    }
}

}  // namespace qc::onnx_io
