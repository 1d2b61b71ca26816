// Operators that move elements and compute nothing, whatever their type: all of them are copies between
// strided arrays.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/text.h"
#include "tflite/kernels.h"

namespace qc::tflite::kernels {
namespace {

using Dims = std::vector<int64_t>;

size_t width_of(const Call& call, const Value& value) {
  const int bits = ir::bits_of(value.dtype());
  if (bits == 0 || bits % 8 != 0) refuse(call, "type " + value.about->type);
  return static_cast<size_t>(bits / 8);
}

// The data of two values means the same: one type, one quantization.
void require_alike(const Call& call, const Value& a, const Value& b) {
  require(call, a.dtype() == b.dtype(), "its input and output differ in type");
}

Dims ints(const Call& call, size_t slot) {
  require(call, slot < call.in.size() && call.in[slot] != nullptr, "an input that it needs is not given");
  return integers(*call.in[slot]);
}

// A block of the input, read from `begin` on with these strides, becomes the block of the output at `to`.
void move(const Call& call, const Value& in, int64_t begin, const Dims& from_strides, Value& out, int64_t to,
          const Dims& to_strides, const Dims& block) {
  if (ir::element_count(block) == 0) return;
  const size_t width = width_of(call, in);
  copy_strided(in.bytes.data() + begin * static_cast<int64_t>(width), from_strides,
               out.own.data() + to * static_cast<int64_t>(width), to_strides, block, width);
}

void reshape(const Call& call) {
  require_inputs(call, 1);
  require_alike(call, *call.in[0], *call.out[0]);
  require(call, call.in[0]->bytes.size() == call.out[0]->own.size(), "its output has another size");
  call.out[0]->own.assign(call.in[0]->bytes);
}

void transpose(const Call& call) {
  require_inputs(call, 2);
  const Value& in = *call.in[0];
  require_alike(call, in, *call.out[0]);
  const Dims order = ints(call, 1), strides = strides_of(in.shape());
  const Dims& shape = call.out[0]->shape();
  require(call, order.size() == in.shape().size() && order.size() == shape.size(),
          "its permutation has another rank");
  Dims from;
  std::vector<bool> seen(order.size(), false);
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t axis = axis_of(call, order[i], order.size());
    require(call, !seen[axis] && shape[i] == in.shape()[axis], "its permutation does not fit the shapes");
    seen[axis] = true;
    from.push_back(strides[axis]);
  }
  move(call, in, 0, from, *call.out[0], 0, strides_of(shape), shape);
}

// The block of `in` from `begin` on, in steps of `step` (may be negative), with the output's elements.
void cut(const Call& call, const Value& in, const Dims& begin, const Dims& step, const Dims& block,
         Value& out) {
  require_alike(call, in, out);
  const Dims strides = strides_of(in.shape());
  Dims from(strides.size());
  int64_t start = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    const int64_t last = begin[i] + step[i] * (block[i] - 1);
    const bool inside =
        block[i] == 0 || (begin[i] >= 0 && begin[i] < in.shape()[i] && last >= 0 && last < in.shape()[i]);
    require(call, block[i] >= 0 && inside, "it reads outside its input");
    from[i] = strides[i] * step[i];
    start += strides[i] * begin[i];
  }
  require(call, ir::element_count(block) == out.size(), "its output has another size");
  move(call, in, start, from, out, 0, strides_of(block), block);
}

void slice(const Call& call) {
  require_inputs(call, 3);
  const Dims& shape = call.in[0]->shape();
  const Dims begin = ints(call, 1);
  Dims size = ints(call, 2);
  require(call, begin.size() == shape.size() && size.size() == shape.size(),
          "its begin and size have another rank");
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] < 0) size[i] = shape[i] - begin[i];
  }
  cut(call, *call.in[0], begin, Dims(shape.size(), 1), size, *call.out[0]);
}

void strided_slice(const Call& call) {
  require_inputs(call, 4);
  const Dims& shape = call.in[0]->shape();
  Dims begin = ints(call, 1);
  const Dims end = ints(call, 2), step = ints(call, 3);
  require(call, begin.size() == shape.size() && end.size() == shape.size() && step.size() == shape.size(),
          "its begin, end and strides have another rank");
  if (file::int_option(call.op, "ellipsis_mask") || file::int_option(call.op, "new_axis_mask") ||
      file::int_option(call.op, "offset"))
    refuse(call, "ellipsis, new axes or offsets");
  const auto masked = [&](const char* mask, size_t i) {
    return (file::int_option(call.op, mask) >> i & 1) != 0;
  };
  Dims block(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    require(call, step[i] != 0, "a stride is 0");
    const bool back = step[i] < 0;
    const auto bounded = [&](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? at + shape[i] : at, back ? -1 : 0, back ? shape[i] - 1 : shape[i]);
    };
    begin[i] = masked("begin_mask", i) ? (back ? shape[i] - 1 : 0) : bounded(begin[i]);
    int64_t stop = masked("end_mask", i) ? (back ? -1 : shape[i]) : bounded(end[i]);
    if (masked("shrink_axis_mask", i)) stop = begin[i] + (back ? -1 : 1);
    block[i] = std::max<int64_t>(0, (stop - begin[i] + step[i] + (back ? 1 : -1)) / step[i]);
  }
  cut(call, *call.in[0], begin, step, block, *call.out[0]);
}

// --- several values

// Whether a part has the whole's shape but for `axis`, and `offset` more before it at the most.
void require_part(const Call& call, const Value* part, const Value& whole, size_t axis, int64_t offset) {
  const Dims& shape = whole.shape();
  require(call, part != nullptr && part->shape().size() == shape.size(), "its parts differ in rank");
  require_alike(call, *part, whole);
  for (size_t i = 0; i < shape.size(); ++i)
    require(call, i == axis || part->shape()[i] == shape[i], "its parts do not fit each other");
  require(call, offset + part->shape()[axis] <= shape[axis], "its parts are longer than the whole");
}

void concatenation(const Call& call) {
  require_inputs(call, 1);
  Value& out = *call.out[0];
  if (file::text_option(call.op, "fused_activation_function", "NONE") != "NONE")
    refuse(call, "a fused activation");
  const size_t axis = axis_of(call, file::int_option(call.op, "axis"), out.shape().size());
  const Dims strides = strides_of(out.shape());
  int64_t offset = 0;
  for (const Value* part : call.in) {
    require_part(call, part, out, axis, offset);
    if (is_8_bit(*part) && part->about->scales != out.about->scales)
      refuse(call, "parts with scales of their own");
    move(call, *part, 0, strides_of(part->shape()), out, offset * strides[axis], strides, part->shape());
    offset += part->shape()[axis];
  }
  require(call, offset == out.shape()[axis], "its parts are shorter than the whole");
}

void split_along(const Call& call, const Value& whole, size_t axis) {
  const Dims strides = strides_of(whole.shape());
  int64_t offset = 0;
  for (Value* part : call.out) {
    require_part(call, part, whole, axis, offset);
    move(call, whole, offset * strides[axis], strides, *part, 0, strides_of(part->shape()), part->shape());
    offset += part->shape()[axis];
  }
  require(call, offset == whole.shape()[axis], "its parts are shorter than the whole");
}

void split(const Call& call) {
  require_inputs(call, 2);
  const Dims axis = ints(call, 0);
  require(call, axis.size() == 1, "it needs one axis");
  split_along(call, *call.in[1], axis_of(call, axis[0], call.in[1]->shape().size()));
}

void split_v(const Call& call) {
  require_inputs(call, 3);
  const Dims axis = ints(call, 2);
  require(call, axis.size() == 1, "it needs one axis");
  split_along(call, *call.in[0], axis_of(call, axis[0], call.in[0]->shape().size()));
}

// The strides of `shape` with the one of `axis` taken out, and that one.
std::pair<Dims, int64_t> without_axis(const Dims& shape, size_t axis) {
  Dims strides = strides_of(shape);
  const int64_t taken = strides[axis];
  strides.erase(strides.begin() + static_cast<int64_t>(axis));
  return {strides, taken};
}

void pack(const Call& call) {
  require_inputs(call, 1);
  Value& out = *call.out[0];
  const size_t axis = axis_of(call, file::int_option(call.op, "axis"), out.shape().size());
  const auto [strides, step] = without_axis(out.shape(), axis);
  require(call, out.shape()[axis] == static_cast<int64_t>(call.in.size()), "its output has another size");
  for (size_t i = 0; i < call.in.size(); ++i) {
    require(call,
            call.in[i] && call.in[i]->shape().size() == strides.size() &&
                call.in[i]->size() * out.shape()[axis] == out.size(),
            "its parts do not fit");
    require_alike(call, *call.in[i], out);
    move(call, *call.in[i], 0, strides_of(call.in[i]->shape()), out, static_cast<int64_t>(i) * step, strides,
         call.in[i]->shape());
  }
}

void unpack(const Call& call) {
  require_inputs(call, 1);
  const Value& in = *call.in[0];
  const size_t axis = axis_of(call, file::int_option(call.op, "axis"), in.shape().size());
  const auto [strides, step] = without_axis(in.shape(), axis);
  require(call, in.shape()[axis] == static_cast<int64_t>(call.out.size()),
          "it has another number of outputs");
  for (size_t i = 0; i < call.out.size(); ++i) {
    require(
        call,
        call.out[i]->shape().size() == strides.size() && call.out[i]->size() * in.shape()[axis] == in.size(),
        "its parts do not fit");
    require_alike(call, in, *call.out[i]);
    move(call, in, static_cast<int64_t>(i) * step, strides, *call.out[i], 0, strides_of(call.out[i]->shape()),
         call.out[i]->shape());
  }
}

// --- pads

// The flat list of [rank, 2] paddings; checks it against the shapes.
Dims pads_of(const Call& call) {
  require_inputs(call, 2);
  const Dims pads = ints(call, 1);
  const Dims &in = call.in[0]->shape(), &out = call.out[0]->shape();
  require(call, pads.size() == 2 * in.size() && in.size() == out.size(), "its paddings have another rank");
  for (size_t i = 0; i < in.size(); ++i)
    require(call, pads[2 * i] >= 0 && pads[2 * i + 1] >= 0 && in[i] + pads[2 * i] + pads[2 * i + 1] == out[i],
            "its paddings do not fit the shapes");
  return pads;
}

void pad_with(const Call& call, std::string_view element) {
  const Dims pads = pads_of(call);
  Value& out = *call.out[0];
  require_alike(call, *call.in[0], out);
  for (size_t i = 0; i < out.own.size(); i += element.size()) out.own.replace(i, element.size(), element);
  const Dims strides = strides_of(out.shape());
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); ++i) offset += strides[i] * pads[2 * i];
  move(call, *call.in[0], 0, strides_of(call.in[0]->shape()), out, offset, strides, call.in[0]->shape());
}

void pad(const Call& call) {
  require_inputs(call, 2);
  std::string element(width_of(call, *call.in[0]), '\0');
  if (is_8_bit(*call.in[0])) element[0] = static_cast<char>(call.out[0]->zero_point());
  pad_with(call, element);
}

void pad_v2(const Call& call) {
  require_inputs(call, 3);
  require_alike(call, *call.in[2], *call.in[0]);
  require(call, call.in[2]->bytes.size() == width_of(call, *call.in[0]), "its value is no scalar");
  pad_with(call, call.in[2]->bytes);
}

void mirror_pad(const Call& call) {
  const Dims pads = pads_of(call);
  const Value& in = *call.in[0];
  Value& out = *call.out[0];
  require_alike(call, in, out);
  const size_t width = width_of(call, in);
  const int64_t skip = file::text_option(call.op, "mode", "REFLECT") == "REFLECT" ? 1 : 0;
  const Dims from = strides_of(in.shape()), to = strides_of(out.shape());
  for (size_t i = 0; i < from.size(); ++i)
    require(call, std::max(pads[2 * i], pads[2 * i + 1]) <= in.shape()[i] - skip,
            "it mirrors more than there is");
  for (int64_t at = 0; at < out.size(); ++at) {
    int64_t source = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      int64_t index = at / to[i] % out.shape()[i] - pads[2 * i];
      if (index < 0) index = -index - 1 + skip;
      if (index >= in.shape()[i]) index = 2 * in.shape()[i] - 1 - skip - index;
      source += index * from[i];
    }
    std::copy_n(in.bytes.data() + source * static_cast<int64_t>(width), width,
                out.own.data() + at * static_cast<int64_t>(width));
  }
}

// --- blocks, repeats, lookups

// Both are a transpose of [batch, height, block, width, block, channels].
void move_blocks(const Call& call, const Value& deep, const Value& wide, bool to_wide) {
  const int64_t block = file::int_option(call.op, "block_size");
  const Dims &d = deep.shape(), &w = wide.shape();
  require(call, d.size() == 4 && w.size() == 4 && block > 0, "it needs rank 4 and a block size");
  require(call, d[0] == w[0] && w[1] == d[1] * block && w[2] == d[2] * block && d[3] == w[3] * block * block,
          "its block size does not fit the shapes");
  const Dims shape{d[0], d[1], block, d[2], block, w[3]};
  const Dims in_deep{d[1] * d[2] * d[3], d[2] * d[3], block * w[3], d[3], w[3], 1},
      in_wide = strides_of(shape);
  move(call, *call.in[0], 0, to_wide ? in_deep : in_wide, *call.out[0], 0, to_wide ? in_wide : in_deep,
       shape);
}

void depth_to_space(const Call& call) {
  require_inputs(call, 1);
  move_blocks(call, *call.in[0], *call.out[0], true);
}
void space_to_depth(const Call& call) {
  require_inputs(call, 1);
  move_blocks(call, *call.out[0], *call.in[0], false);
}

// TILE and BROADCAST_TO: every index of the output modulo the input's size.
void repeat(const Call& call) {
  require_inputs(call, 1);
  const Value& in = *call.in[0];
  Value& out = *call.out[0];
  require_alike(call, in, out);
  const size_t width = width_of(call, in),
               extra = out.shape().size() - std::min(out.shape().size(), in.shape().size());
  require(call, in.shape().size() <= out.shape().size() && in.size() > 0, "its output has another rank");
  const Dims from = strides_of(in.shape()), to = strides_of(out.shape());
  for (size_t i = 0; i < from.size(); ++i)
    require(call, out.shape()[i + extra] % in.shape()[i] == 0, "its shapes do not fit");
  for (int64_t at = 0; at < out.size(); ++at) {
    int64_t source = 0;
    for (size_t i = 0; i < from.size(); ++i) source += at / to[i + extra] % in.shape()[i] * from[i];
    std::copy_n(in.bytes.data() + source * static_cast<int64_t>(width), width,
                out.own.data() + at * static_cast<int64_t>(width));
  }
}

void gather(const Call& call) {
  require_inputs(call, 2);
  const Value& in = *call.in[0];
  Value& out = *call.out[0];
  require_alike(call, in, out);
  if (file::int_option(call.op, "batch_dims")) refuse(call, "batch dimensions");
  const size_t axis = axis_of(call, file::int_option(call.op, "axis"), in.shape().size());
  const Dims indices = ints(call, 1);
  const int64_t size = in.shape()[axis], inner = strides_of(in.shape())[axis];
  const int64_t outer = size * inner == 0 ? 0 : in.size() / (size * inner);
  const size_t bytes = static_cast<size_t>(inner) * width_of(call, in);
  require(call, outer * static_cast<int64_t>(indices.size()) * inner == out.size(),
          "its output has another size");
  char* to = out.own.data();
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t index : indices) {
      require(call, index >= 0 && index < size, "an index is outside its input");
      to = std::copy_n(in.bytes.data() + static_cast<size_t>(o * size + index) * bytes, bytes, to);
    }
  }
}

constexpr KernelRow kRows[] = {
    {"RESHAPE", reshape},
    {"SQUEEZE", reshape},
    {"EXPAND_DIMS", reshape},
    {"TRANSPOSE", transpose},
    {"SLICE", slice},
    {"STRIDED_SLICE", strided_slice},
    {"CONCATENATION", concatenation},
    {"SPLIT", split},
    {"SPLIT_V", split_v},
    {"PACK", pack},
    {"UNPACK", unpack},
    {"PAD", pad},
    {"PADV2", pad_v2},
    {"MIRROR_PAD", mirror_pad},
    {"DEPTH_TO_SPACE", depth_to_space},
    {"SPACE_TO_DEPTH", space_to_depth},
    {"TILE", repeat},
    {"BROADCAST_TO", repeat},
    {"GATHER", gather},
};

}  // namespace

std::span<const KernelRow> shape_kernels() {
  return kRows;
}

}  // namespace qc::tflite::kernels
