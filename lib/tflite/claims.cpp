// See claims.h. Ranges are collected with their owners and then counted once each, in the order of the file;
// what remains is padding.
#include "tflite/claims.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

namespace qc::tflite::file {
namespace {

using flatbuffers::ElementaryType;

struct Range {
  int64_t begin = 0, end = 0;
  std::string_view kind;
  TensorId tensor = kAbsent;
};

// A field that gives what lies below it a kind of its own.
constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
    {"scale", "scales"},
    {"zero_point", "zero points"},
    {"min", "ranges"},
    {"max", "ranges"},
    {"name", "names"},
    {"shape", "shapes"},
    {"shape_signature", "shapes"},
};

std::string_view kind_below(std::string_view field, std::string_view kind) {
  const auto found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& row) { return row.first == field; });
  return kind == "graph" && found != std::end(kKinds) ? found->second : kind;
}

struct Walk {
  const uint8_t* start;
  std::vector<Range> ranges;

  void claim(const void* at, int64_t bytes, std::string_view kind, TensorId tensor) {
    const int64_t begin = static_cast<const uint8_t*>(at) - start;
    ranges.push_back({begin, begin + bytes, kind, tensor});
  }
};

constexpr int64_t kLength = sizeof(flatbuffers::uoffset_t);

// Bytes of an element stored in a vector; 0 for what is stored as an offset.
int64_t inline_bytes(ElementaryType type) {
  switch (type) {
    case flatbuffers::ET_UTYPE:
    case flatbuffers::ET_BOOL:
    case flatbuffers::ET_CHAR:
    case flatbuffers::ET_UCHAR:
      return 1;
    case flatbuffers::ET_SHORT:
    case flatbuffers::ET_USHORT:
      return 2;
    case flatbuffers::ET_INT:
    case flatbuffers::ET_UINT:
    case flatbuffers::ET_FLOAT:
      return 4;
    case flatbuffers::ET_LONG:
    case flatbuffers::ET_ULONG:
    case flatbuffers::ET_DOUBLE:
      return 8;
    default:
      return 0;
  }
}

void claim_table(Walk& walk, const flatbuffers::Table& table, const flatbuffers::TypeTable& type,
                 std::string_view kind, TensorId tensor);

void claim_vector(Walk& walk, const uint8_t* at, const flatbuffers::TypeCode& code,
                  const flatbuffers::TypeTable& type, std::string_view kind, TensorId tensor) {
  const auto element = static_cast<ElementaryType>(code.base_type);
  const int64_t size = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at), width = inline_bytes(element);
  walk.claim(at, kLength + size * (width ? width : kLength), kind, tensor);
  if (element != flatbuffers::ET_SEQUENCE) return;
  const auto& offsets =
      *reinterpret_cast<const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::Table>>*>(at);
  for (flatbuffers::uoffset_t i = 0; i < offsets.size(); ++i)
    claim_table(walk, *offsets.Get(i), *type.type_refs[code.sequence_ref](), kind, tensor);
}

// The type of a union's member, or null where the schema has none for it.
const flatbuffers::TypeTable* member_type(const flatbuffers::TypeTable& choices, int64_t member) {
  for (size_t i = 0; i < choices.num_elems; ++i) {
    const int64_t value = choices.values ? choices.values[i] : static_cast<int64_t>(i);
    if (value == member && choices.type_codes[i].sequence_ref >= 0)
      return choices.type_refs[choices.type_codes[i].sequence_ref]();
  }
  return nullptr;
}

void claim_field(Walk& walk, const flatbuffers::Table& table, const flatbuffers::TypeTable& type,
                 size_t field, std::string_view kind, TensorId tensor) {
  const flatbuffers::TypeCode& code = type.type_codes[field];
  const auto slot = flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field));
  const auto element = static_cast<ElementaryType>(code.base_type);
  const bool offset =
      code.is_repeating || element == flatbuffers::ET_STRING || element == flatbuffers::ET_SEQUENCE;
  if (!offset || !table.CheckField(slot)) return;
  const auto* at = table.GetPointer<const uint8_t*>(slot);
  const std::string_view name = type.names[field];
  kind = kind_below(name, kind);
  if (name == "data") return walk.claim(at, kLength, kind, tensor);  // what is in it has an owner already
  if (code.is_repeating) return claim_vector(walk, at, code, type, kind, tensor);
  if (element == flatbuffers::ET_STRING)
    return walk.claim(at, kLength + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at) + 1, kind, tensor);
  const flatbuffers::TypeTable* below = type.type_refs[code.sequence_ref]();
  if (below->st == flatbuffers::ST_UNION) {
    const auto chosen = flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field - 1));
    below = member_type(*below, table.GetField<uint8_t>(chosen, 0));
  }
  if (below) claim_table(walk, *reinterpret_cast<const flatbuffers::Table*>(at), *below, kind, tensor);
}

void claim_table(Walk& walk, const flatbuffers::Table& table, const flatbuffers::TypeTable& type,
                 std::string_view kind, TensorId tensor) {
  // A table's first field leads back to the list of its fields, which starts with the sizes of both.
  const uint8_t* fields = table.GetVTable();
  constexpr size_t kSizes = 2 * sizeof(flatbuffers::voffset_t);
  const auto read = [](const uint8_t* at) { return flatbuffers::ReadScalar<flatbuffers::voffset_t>(at); };
  const size_t size = read(fields);  // verified to lie inside; what a shorter list would say does not
  walk.claim(fields, static_cast<int64_t>(size), kind, tensor);
  const size_t own =
      size < kSizes ? sizeof(flatbuffers::soffset_t) : read(fields + sizeof(flatbuffers::voffset_t));
  walk.claim(&table, static_cast<int64_t>(own), kind, tensor);
  for (size_t i = 0; i < type.num_elems; ++i) claim_field(walk, table, type, i, kind, tensor);
}

// --- what constants are

struct Slots {
  std::string_view op;
  size_t weights, bias;
};
constexpr Slots kWeighted[] = {{"CONV_2D", 1, 2},         {"DEPTHWISE_CONV_2D", 1, 2},
                               {"FULLY_CONNECTED", 1, 2}, {"TRANSPOSE_CONV", 1, 3},
                               {"BATCH_MATMUL", 1, 99},   {"CONV_3D", 1, 2}};

// By buffer: the first tensor that has it, and the kind that its readers make of it. A DEQUANTIZE passes the
// kind on.
std::map<uint32_t, std::pair<std::string_view, TensorId>> owners(const Graph& graph) {
  std::vector<std::string_view> kinds(graph.tensors.size(), "constants");
  for (auto op = graph.operators.rbegin(); op != graph.operators.rend(); ++op) {
    if (op->op == "DEQUANTIZE" && op->inputs.size() == 1 && op->outputs.size() == 1 &&
        op->inputs[0] != kAbsent)
      kinds[op->inputs[0]] = kinds[op->outputs[0]];
    const auto row = std::find_if(std::begin(kWeighted), std::end(kWeighted),
                                  [&](const Slots& s) { return s.op == op->op; });
    if (row == std::end(kWeighted)) continue;
    const auto mark = [&](size_t slot, std::string_view kind) {
      if (slot < op->inputs.size() && op->inputs[slot] != kAbsent) kinds[op->inputs[slot]] = kind;
    };
    mark(row->weights, "weights");
    mark(row->bias, "bias");
  }
  std::map<uint32_t, std::pair<std::string_view, TensorId>> found;
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    if (graph.tensors[i].buffer != 0)
      found.emplace(graph.tensors[i].buffer, std::pair(kinds[i], static_cast<TensorId>(i)));
  }
  return found;
}

void claim_buffers(Walk& walk, const wire::Model& model, const Model& read) {
  const auto owner = owners(read.graphs[0]);
  std::map<uint32_t, bool> is_metadata;
  if (model.metadata())
    for (const wire::Metadata* entry : *model.metadata()) is_metadata[entry->buffer()] = true;
  for (uint32_t i = 0; i < read.buffers.size(); ++i) {
    const std::string_view data = read.buffers[i];
    if (data.empty()) continue;
    const auto found = owner.find(i);
    const std::string_view kind = found != owner.end()      ? found->second.first
                                  : is_metadata.contains(i) ? std::string_view("metadata")
                                                            : std::string_view("constants");
    walk.claim(data.data(), static_cast<int64_t>(data.size()), kind,
               found == owner.end() ? kAbsent : found->second.second);
  }
}

std::vector<Claim> counted(std::vector<Range> ranges, int64_t file_bytes) {
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::map<std::pair<TensorId, std::string_view>, int64_t> sums;
  int64_t reached = 0, padding = 0;
  for (Range& range : ranges) {
    range.end = std::min(range.end, file_bytes);  // a table states its own size, which nobody else verifies
    padding += std::max<int64_t>(0, range.begin - reached);
    const int64_t fresh = range.end - std::max(range.begin, reached);
    if (fresh > 0) sums[{range.tensor, range.kind}] += fresh;
    reached = std::max(reached, range.end);
  }
  padding += file_bytes - reached;
  std::vector<Claim> claims;
  for (const auto& [key, bytes] : sums) claims.push_back({std::string(key.second), key.first, bytes});
  if (padding > 0) claims.push_back({"padding", kAbsent, padding});
  return claims;
}

}  // namespace

std::vector<Claim> claims_of(const wire::Model& model, const Model& read) {
  Walk walk{reinterpret_cast<const uint8_t*>(read.bytes->data()), {}};
  walk.claim(walk.start, kLength + flatbuffers::kFileIdentifierLength, "graph", kAbsent);
  // First the data with its owners, then each tensor with what hangs on it, then the rest: the first claim
  // counts.
  claim_buffers(walk, model, read);
  const auto& tensors = *model.subgraphs()->Get(0)->tensors();
  for (flatbuffers::uoffset_t i = 0; i < tensors.size(); ++i)
    claim_table(walk, *reinterpret_cast<const flatbuffers::Table*>(tensors.Get(i)), *wire::TensorTypeTable(),
                "graph", static_cast<TensorId>(i));
  if (model.metadata()) {
    for (const wire::Metadata* entry : *model.metadata())
      claim_table(walk, *reinterpret_cast<const flatbuffers::Table*>(entry), *wire::MetadataTypeTable(),
                  "metadata", kAbsent);
  }
  claim_table(walk, *reinterpret_cast<const flatbuffers::Table*>(&model), *wire::ModelTypeTable(), "graph",
              kAbsent);
  return counted(std::move(walk.ranges), static_cast<int64_t>(read.bytes->size()));
}

}  // namespace qc::tflite::file
