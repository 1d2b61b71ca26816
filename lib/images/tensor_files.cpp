// See tensor_files.h.
#include "images/tensor_files.h"

#include <onnx/onnx_pb.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace qc::images {
namespace {

using ir::DType;
using std::string_view_literals::operator""sv;

static_assert(std::endian::native == std::endian::little,
              "tensor bytes are kept little-endian, as ONNX raw_data");

[[noreturn]] void bad_tensor(const std::string& place, const std::string& cause, const std::string& remedy) {
  throw Error(Exit::kInput, {"bad-tensor", place, cause, remedy});
}

[[noreturn]] void broken(const std::string& place, const std::string& cause) {
  bad_tensor(place, cause, "write the file again, or remove it");
}

// --- .npy
struct NumpyType {
  std::string_view code;
  DType dtype;
};
constexpr NumpyType kNumpyTypes[] = {{"f4", DType::kFloat},  {"f8", DType::kDouble}, {"f2", DType::kFloat16},
                                     {"u1", DType::kUint8},  {"i1", DType::kInt8},   {"u2", DType::kUint16},
                                     {"i2", DType::kInt16},  {"u4", DType::kUint32}, {"i4", DType::kInt32},
                                     {"u8", DType::kUint64}, {"i8", DType::kInt64},  {"b1", DType::kBool}};

// The text behind 'key': in the header's dict, which is a Python literal with fixed keys and no nesting.
std::string_view value_of(std::string_view dict, const std::string& key, const std::string& place) {
  const size_t at = dict.find("'" + key + "':");
  if (at == std::string_view::npos) broken(place, format("its header has no '{}'", key));
  std::string_view rest = dict.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

// Bytes of a tensor, or -1 when that is more than memory could hold.
int64_t byte_count(DType dtype, const std::vector<int64_t>& dims) {
  int64_t bytes = ir::bits_of(dtype) / 8;
  for (const int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && bytes > (int64_t{1} << 46) / dim)) return -1;
    bytes *= dim;
  }
  return bytes;
}

std::vector<int64_t> shape_of(std::string_view text, const std::string& place) {
  std::vector<int64_t> dims;
  const size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) broken(place, "its shape is not a tuple");
  for (size_t i = 1; i < end;) {
    if (text[i] == ' ' || text[i] == ',') {
      ++i;
      continue;
    }
    int64_t value = 0;
    const size_t first = i;
    while (i < end && text[i] >= '0' && text[i] <= '9' && i - first < 15)
      value = value * 10 + (text[i++] - '0');
    if (i == first) broken(place, "its shape is not a tuple of numbers");
    dims.push_back(value);
  }
  return dims;
}

DType dtype_of(std::string_view text, const std::string& place) {
  const std::string_view code =
      text.starts_with('\'') ? text.substr(1, text.find('\'', 1) - 1) : text.substr(0, 8);
  const bool big_endian = code.starts_with('>');
  for (const NumpyType& type : kNumpyTypes) {
    if (code.size() == 3 && !big_endian && code.substr(1) == type.code) return type.dtype;
  }
  if (code.size() > 1 && std::string_view("SUO").find(code[1]) != std::string_view::npos)
    bad_tensor(place, format("its type is '{}': text or objects, and only numbers are taken", code),
               "cut the model behind the nodes that read text, and save the numbers that come out of them");
  bad_tensor(place, format("its type is '{}'", code),
             "save it little-endian as float32, float64, float16, bool or integers of 8 to 64 bits: "
             "numpy.save(file, x.astype('float32'))");
}

// Elements in the usual order, of an array that numpy stored in Fortran's.
std::string last_axis_fastest(std::string_view data, const NpyHeader& header) {
  const auto width = static_cast<size_t>(ir::bits_of(header.dtype)) / 8;
  std::vector<size_t> steps;  // in bytes, by axis
  size_t step = width;
  for (const int64_t dim : header.dims) {
    steps.push_back(step);
    step *= static_cast<size_t>(dim);
  }
  std::string out(data.size(), '\0');
  std::vector<int64_t> at(header.dims.size(), 0);
  for (size_t to = 0, from = 0; to < data.size(); to += width) {
    std::memcpy(out.data() + to, data.data() + from, width);
    for (size_t axis = at.size(); axis-- > 0;) {
      from += steps[axis];
      if (++at[axis] < header.dims[axis]) break;
      from -= steps[axis] * static_cast<size_t>(header.dims[axis]);
      at[axis] = 0;
    }
  }
  return out;
}

// --- .npz: the zip container
struct ZipEntry {
  std::string name;
  uint32_t method = 0, crc = 0;
  size_t packed = 0, unpacked = 0, local_at = 0;
};

uint32_t number(std::string_view bytes, size_t at, size_t count, const std::string& place) {
  if (at > bytes.size() || bytes.size() - at < count) broken(place, "the file is truncated");
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

std::vector<ZipEntry> zip_entries(std::string_view bytes, const std::string& place) {
  constexpr size_t kEndSize = 22, kEntrySize = 46;
  const size_t end = bytes.rfind("PK\5\6"sv);
  if (end == std::string_view::npos) broken(place, "it is not a whole zip archive (no directory at its end)");
  if (bytes.size() - end < kEndSize) broken(place, "the file is truncated");
  const uint32_t count = number(bytes, end + 10, 2, place);
  size_t at = number(bytes, end + 16, 4, place);
  std::vector<ZipEntry> entries;
  for (uint32_t i = 0; i < count; ++i) {
    if (number(bytes, at, 4, place) != 0x02014b50) broken(place, "its zip directory is damaged");
    const uint32_t name_size = number(bytes, at + 28, 2, place);
    ZipEntry entry;
    entry.method = number(bytes, at + 10, 2, place);
    entry.crc = number(bytes, at + 16, 4, place);
    entry.packed = number(bytes, at + 20, 4, place);
    entry.unpacked = number(bytes, at + 24, 4, place);
    entry.local_at = number(bytes, at + 42, 4, place);
    if (entry.packed == 0xFFFFFFFF || entry.unpacked == 0xFFFFFFFF) {
      bad_tensor(place, "it holds an array of more than 4 GB", "save one image a file");
    }
    at += kEntrySize;
    if (at > bytes.size() || bytes.size() - at < name_size) broken(place, "its zip directory is damaged");
    entry.name = bytes.substr(at, name_size);
    at += name_size + number(bytes, at - kEntrySize + 30, 2, place) +
          number(bytes, at - kEntrySize + 32, 2, place);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string key_of(const std::string& name) {
  return name.ends_with(".npy") ? name.substr(0, name.size() - 4) : name;
}

std::string inflated(std::string_view packed, size_t size, const std::string& place) {
  // Deflate shrinks 1032 times at the most: a larger claim is a damaged directory, not a reason to take
  // memory.
  if (size / 1032 > packed.size() + 1) broken(place, "its zip directory is damaged");
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!whole) broken(place, "its compressed data are damaged");
  return out;
}

std::string entry_bytes(std::string_view bytes, const ZipEntry& entry, const std::string& place) {
  constexpr size_t kLocalSize = 30;
  if (number(bytes, entry.local_at, 4, place) != 0x04034b50) broken(place, "its zip directory is damaged");
  const size_t data_at = entry.local_at + kLocalSize + number(bytes, entry.local_at + 26, 2, place) +
                         number(bytes, entry.local_at + 28, 2, place);
  if (data_at > bytes.size() || bytes.size() - data_at < entry.packed) broken(place, "the file is truncated");
  const std::string_view packed = bytes.substr(data_at, entry.packed);
  constexpr uint32_t kStored = 0, kDeflated = 8;
  std::string data;
  if (entry.method == kDeflated) {
    data = inflated(packed, entry.unpacked, place);
  } else if (entry.method == kStored && entry.packed == entry.unpacked) {
    data = packed;
  } else {
    bad_tensor(place, format("zip method {} is not one of numpy's", entry.method),
               "write it with numpy.savez or numpy.savez_compressed");
  }
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  if (crc != entry.crc) broken(place, "its checksum does not fit its data");
  return data;
}

// --- .pb
template <typename To, typename Field>
std::string packed_field(const Field& field) {
  std::string bytes(static_cast<size_t>(field.size()) * sizeof(To), '\0');
  for (int i = 0; i < field.size(); ++i) {
    const To value = static_cast<To>(field.Get(i));
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(To), &value, sizeof(To));
  }
  return bytes;
}

// onnx.proto: raw_data, or the typed field that its type prescribes (small types ride in int32_data).
std::string payload(const onnx::TensorProto& proto) {
  if (proto.has_raw_data()) return proto.raw_data();
  switch (static_cast<DType>(proto.data_type())) {
    case DType::kFloat:
      return packed_field<float>(proto.float_data());
    case DType::kDouble:
      return packed_field<double>(proto.double_data());
    case DType::kInt64:
      return packed_field<int64_t>(proto.int64_data());
    case DType::kInt32:
      return packed_field<int32_t>(proto.int32_data());
    case DType::kFloat16:
      return packed_field<uint16_t>(proto.int32_data());
    case DType::kUint8:
    case DType::kInt8:
    case DType::kBool:
      return packed_field<uint8_t>(proto.int32_data());
    default:
      return {};
  }
}

}  // namespace

NpyHeader npy_header(std::string_view bytes, const std::string& place) {
  if (!bytes.starts_with("\x93NUMPY"sv))
    broken(place, bytes.empty() ? "the file is empty" : "it is not a .npy file");
  const uint32_t version = number(bytes, 6, 1, place);
  if (version < 1 || version > 3) broken(place, format("it has the unknown .npy version {}", version));
  const size_t length_size = version == 1 ? 2 : 4;
  const size_t length = number(bytes, 8, length_size, place);
  NpyHeader header;
  header.data_at = 8 + length_size + length;
  if (bytes.size() < header.data_at) broken(place, "the file is truncated");
  const std::string_view dict = bytes.substr(8 + length_size, length);
  header.dtype = dtype_of(value_of(dict, "descr", place), place);
  header.dims = shape_of(value_of(dict, "shape", place), place);
  header.first_axis_fastest = !value_of(dict, "fortran_order", place).starts_with("False");
  if (byte_count(header.dtype, header.dims) < 0) broken(place, "its shape is not one that memory can hold");
  return header;
}

ir::Tensor read_npy(std::string_view bytes, const std::string& place) {
  NpyHeader header = npy_header(bytes, place);
  const auto size = static_cast<size_t>(byte_count(header.dtype, header.dims));
  if (bytes.size() - header.data_at < size) broken(place, "the file is truncated");
  const std::string_view data = bytes.substr(header.data_at, size);
  std::string ordered = header.first_axis_fastest ? last_axis_fastest(data, header) : std::string(data);
  return ir::make_tensor(header.dtype, std::move(ordered), std::move(header.dims));
}

std::vector<std::string> npz_keys(std::string_view bytes, const std::string& place) {
  std::vector<std::string> keys;
  for (const ZipEntry& entry : zip_entries(bytes, place)) keys.push_back(key_of(entry.name));
  return keys;
}

NamedTensors read_npz(std::string_view bytes, const std::string& place) {
  NamedTensors tensors;
  for (const ZipEntry& entry : zip_entries(bytes, place)) {
    const std::string inside = format("{}, array '{}'", place, key_of(entry.name));
    tensors.emplace_back(key_of(entry.name), read_npy(entry_bytes(bytes, entry, inside), inside));
  }
  return tensors;
}

std::pair<std::string, ir::Tensor> read_pb(std::string_view bytes, const std::string& place) {
  onnx::TensorProto proto;
  if (bytes.empty()) broken(place, "the file is empty");
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    broken(place, "it is not an ONNX TensorProto");
  }
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    bad_tensor(place, "its data are in another file", "save the tensor with its data");
  }
  const auto dtype = static_cast<DType>(proto.data_type());
  std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  const int64_t size = ir::bits_of(dtype) < 8 ? -1 : byte_count(dtype, dims);
  std::string data = payload(proto);
  if (size < 0 || std::ssize(data) != size) {
    broken(place, format("it is not an ONNX TensorProto with numbers (type {}, {} bytes of data)",
                         ir::name_of(dtype), data.size()));
  }
  return {proto.name(), ir::make_tensor(dtype, std::move(data), std::move(dims))};
}

}  // namespace qc::images
