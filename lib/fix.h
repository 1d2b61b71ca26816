// `qconvert fix MODEL`: a file that carries quantization already, read and written anew: the same grid, in
// the form that fuses, and in any format.
#pragma once

#include "pipeline.h"

namespace qc {

/// Reads scales and integers off the file (adopt/adopt.h), decides by the target's rules where nodes run,
/// fills gaps - biases, results of moving ops, a Relu behind the pair - and writes every format that the
/// config asks for. Calibrates what is still missing where a folder of images is named, and leaves it in
/// float where an output would lose by that and the config says nothing of placement; without images what
/// would need it stays in float. The report says so. Values on the file's grids stay bit for bit. `strip`:
/// the float model alone, that behind weights in blocks or packed as well. Throws Error: Error(kInput) for a
/// file without quantization or with such that contradicts itself.
ConvertResult fix(const ConvertOptions& options, bool strip);

}  // namespace qc
