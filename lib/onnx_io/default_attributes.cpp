// See default_attributes.h.
#include "onnx_io/default_attributes.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "ir/ops.h"

namespace qc::onnx_io {
namespace {

// What an attribute is when it is not there: a number, each number of a list, or a word.
struct Default {
  std::string_view attribute;
  double number = 0;
  std::string_view word;
};

constexpr std::array kOfWindows{Default{"auto_pad", 0, "NOTSET"}, Default{"strides", 1, {}},
                                Default{"dilations", 1, {}},      Default{"pads", 0, {}},
                                Default{"group", 1, {}},          Default{"output_padding", 0, {}},
                                Default{"ceil_mode", 0, {}},      Default{"count_include_pad", 0, {}},
                                Default{"storage_order", 0, {}}};
constexpr std::array kOfProducts{Default{"alpha", 1, {}}, Default{"beta", 1, {}}, Default{"transA", 0, {}},
                                 Default{"transB", 0, {}}};
constexpr std::array<std::string_view, 5> kWindows{"Conv", "ConvTranspose", "QLinearConv", "MaxPool",
                                                   "AveragePool"};
constexpr std::array<std::string_view, 1> kProducts{"Gemm"};

template <size_t N>
std::optional<Default> found_in(const std::array<Default, N>& table, std::string_view attribute) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const Default& d) { return d.attribute == attribute; });
  return row == table.end() ? std::nullopt : std::optional(*row);
}

}  // namespace

bool says_the_default(const ir::Node& node, const ir::Attribute& attribute) {
  std::optional<Default> known;
  if (ir::is_one_of(node, kWindows)) known = found_in(kOfWindows, attribute.name);
  if (ir::is_one_of(node, kProducts)) known = found_in(kOfProducts, attribute.name);
  if (!known) return false;
  if (const auto* word = std::get_if<std::string>(&attribute.value))
    return !known->word.empty() && *word == known->word;
  if (!known->word.empty()) return false;
  if (const auto* whole = std::get_if<int64_t>(&attribute.value))
    return static_cast<double>(*whole) == known->number;
  if (const auto* real = std::get_if<float>(&attribute.value)) return *real == known->number;
  if (const auto* list = std::get_if<std::vector<int64_t>>(&attribute.value))
    return std::all_of(list->begin(), list->end(),
                       [&](int64_t n) { return static_cast<double>(n) == known->number; });
  return false;
}

}  // namespace qc::onnx_io
