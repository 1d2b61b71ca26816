// See kept.h. The file: a line that names the format, a checksum of what follows, the origin, layers,
// figures. Lengths stand before what they are of, numbers are little-endian.
#include "correct/kept.h"

#include <bit>
#include <cstring>

#include "base/text.h"
#include "quant/quant_params.h"

namespace qc::correct {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

constexpr std::string_view kFormat = "qconvert resume 2\n";
constexpr size_t kHashLength = 16;

void put_raw(std::string& bytes, const void* from, size_t size) {
  bytes.append(static_cast<const char*>(from), size);
}
template <typename T>
void put(std::string& bytes, T number) {
  static_assert(std::is_arithmetic_v<T>);
  put_raw(bytes, &number, sizeof number);
}
void put(std::string& bytes, const std::string& text) {
  put(bytes, static_cast<uint64_t>(text.size()));
  bytes += text;
}
template <typename T>
void put(std::string& bytes, const std::vector<T>& list) {
  static_assert(std::is_floating_point_v<T> || std::is_same_v<T, Trust>);
  put(bytes, static_cast<uint64_t>(list.size()));
  put_raw(bytes, list.data(), list.size() * sizeof(T));
}

// Reads what put() has written; past the end everything is 0 or empty, and whole() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  void get_raw(void* to, size_t size) {
    if (size > left_.size()) failed_ = true;
    if (failed_ || size == 0) return;
    std::memcpy(to, left_.data(), size);
    left_.remove_prefix(size);
  }
  template <typename T>
  T get() {
    T number{};
    get_raw(&number, sizeof number);
    return number;
  }
  // Of elements that take so many bytes each: never more than there can be, so that a damaged length asks for
  // no memory.
  size_t length(size_t each) {
    const auto count = get<uint64_t>();
    if (count > left_.size() / each) failed_ = true;
    return failed_ ? 0 : static_cast<size_t>(count);
  }
  std::string text() {
    std::string text(length(1), '\0');
    get_raw(text.data(), text.size());
    return text;
  }
  template <typename T>
  std::vector<T> list() {
    std::vector<T> list(length(sizeof(T)));
    get_raw(list.data(), list.size() * sizeof(T));
    return list;
  }
  bool whole() const { return !failed_ && left_.empty(); }

 private:
  std::string_view left_;
  bool failed_ = false;
};

constexpr std::string Origin::*kOriginFields[] = {&Origin::model, &Origin::config, &Origin::images,
                                                  &Origin::tool};

}  // namespace

void keep(Kept& kept, const std::string& pass, ir::ValueId weight, KeptLayer layer) {
  kept.layers[{pass, weight}] = std::move(layer);
  if (kept.grown) kept.grown();
}

double kept_figure(Kept& kept, const std::string& pass, const std::function<double()>& measured) {
  if (const auto at = kept.figures.find(pass); at != kept.figures.end()) return at->second;
  const double figure = kept.figures[pass] = measured();
  if (kept.grown) kept.grown();
  return figure;
}

std::optional<plan::IntegerTensor> weight_of(const KeptLayer& layer, const plan::IntegerTensor& rounded) {
  const auto bytes_of = [&](size_t count) {
    return quant::pack(std::vector<int32_t>(count), rounded.params).size();
  };
  if (layer.scales.size() != rounded.params.scales.size() ||
      layer.packed.size() != bytes_of(rounded.integers.size()))
    return std::nullopt;
  plan::IntegerTensor weight{rounded.params,
                             quant::unpack(layer.packed, std::ssize(rounded.integers), rounded.params)};
  weight.params.scales = layer.scales;
  return weight;
}

std::string to_bytes(const Origin& origin, const Kept& kept) {
  std::string body;
  for (const auto field : kOriginFields) put(body, origin.*field);
  put(body, static_cast<uint64_t>(kept.layers.size()));
  for (const auto& [name, layer] : kept.layers) {
    put(body, name.first);
    put(body, name.second);
    put(body, layer.scales);
    put(body, layer.packed);
    put(body, layer.delta);
    put(body, layer.trusts);
  }
  put(body, static_cast<uint64_t>(kept.figures.size()));
  for (const auto& [pass, figure] : kept.figures) {
    put(body, pass);
    put(body, figure);
  }
  return std::string(kFormat) + content_hash(body) + body;
}

std::optional<KeptFile> parse_kept(std::string_view bytes) {
  if (bytes.size() < kFormat.size() + kHashLength || !bytes.starts_with(kFormat)) return std::nullopt;
  bytes.remove_prefix(kFormat.size());
  const std::string_view body = bytes.substr(kHashLength);
  if (content_hash(body) != bytes.substr(0, kHashLength)) return std::nullopt;
  // The checksum says that the rest is what was written; the reader does not live on that.
  KeptFile file;
  Reader reader(body);
  for (const auto field : kOriginFields) file.origin.*field = reader.text();
  for (auto left = reader.length(1); left > 0; --left) {
    const std::string pass = reader.text();
    const auto weight = reader.get<ir::ValueId>();
    KeptLayer layer;
    layer.scales = reader.list<float>();
    layer.packed = reader.text();
    layer.delta = reader.list<float>();
    layer.trusts = reader.list<Trust>();
    file.kept.layers[{pass, weight}] = std::move(layer);
  }
  for (auto left = reader.length(1); left > 0; --left) {
    const std::string pass = reader.text();
    file.kept.figures[pass] = reader.get<double>();
  }
  if (!reader.whole()) return std::nullopt;
  return file;
}

}  // namespace qc::correct
