// See litert.h.
#include "support/litert.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "base/files.h"
#include "base/text.h"

namespace qc::litert {

Result run(std::string_view file, const std::vector<ir::Tensor>& inputs) {
  const TemporaryFile model(".tflite"), said(".json"), complaints(".txt"), prefix(".out");
  write_file_atomically(model.path(), file);
  std::vector<TemporaryFile> feeds;
  std::string command = format("node '{}/tests/litert/run.mjs' '{}'", QCONVERT_SOURCE, model.path().string());
  std::vector<std::filesystem::path> made;
  for (size_t i = 0; i < inputs.size(); ++i) {
    made.push_back(format("{}.in{}", prefix.path().string(), i));
    write_file_atomically(made.back(), *inputs[i].bytes);
    command += format(" '{}'", made.back().string());
  }
  command += format(" --out '{}' >'{}' 2>'{}'", prefix.path().string(), said.path().string(),
                    complaints.path().string());
  const int status = std::system(command.c_str());
  Result result;
  for (size_t i = 0; status == 0; ++i) {
    const std::filesystem::path output = format("{}.{}", prefix.path().string(), i);
    if (!std::filesystem::exists(output)) break;
    result.outputs.push_back(read_file(output));
    made.push_back(output);
  }
  for (const std::filesystem::path& path : made) std::filesystem::remove(path);
  if (status != 0) throw std::runtime_error("LiteRT: " + read_file(complaints.path()));
  result.fully_accelerated = read_file(said.path()).find("\"fully_accelerated\":true") != std::string::npos;
  return result;
}

}  // namespace qc::litert
