// Aligned columns for people: the one place that pads, cuts and rounds text, so that every table of every
// subcommand looks alike. Plain ASCII added to whatever the names bring; no colour, because stdout is often a
// file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qc::report {

using Row = std::vector<std::string>;

/// Rows as lines with two spaces between columns, `indent` spaces before each line and none at its end.
/// `alignment` has one letter a column, 'l' or 'r'; columns beyond it are 'l'. Widths count characters
/// (UTF-8), not bytes. Rows may be short.
std::string columns(const std::vector<Row>& rows, std::string_view alignment, int64_t indent = 2);

/// At most `width` characters: the middle gives way to "..." because node names differ at both ends.
std::string shorten(std::string_view text, size_t width);

/// Fixed decimals; what is not a number was not measured: "-".
std::string figure(double value, int decimals);

/// "24.3 dB"; "exact" from kExactDb (base/decibels.h) on; "no signal" where float gives nothing but zeros and
/// the other does not (as much below 0 dB); "-" when not measured.
std::string decibel(double value);

/// The last part of a path: reports do not show where a machine keeps its files.
std::string file_name(const std::string& path);
/// The same of several, with as many folders in front as tell apart files of one name: "a/net.onnx",
/// "b/net.onnx".
std::vector<std::string> file_names(const std::vector<std::string>& paths);

/// " (logits)", " (before TopK)", or "": where an output is judged.
std::string judged_place(bool before_softmax, const std::string& before_op);
/// "1 node", "2 nodes".
std::string counted(int64_t count, std::string_view noun);
/// "16 held-out images"; "5 images that were calibrated on as well" where there were too few to hold any out.
std::string judged_images(int64_t count, bool held_out, const std::string& unit);

}  // namespace qc::report
