// TensorProto -> ir::Tensor: one form (raw little-endian bytes) whatever field or file the numbers lie in.
// Bytes are moved out of the message, and external data is read straight into its final place, so that a
// model is held once.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ir/tensor.h"

namespace onnx {
class TensorProto;
class SparseTensorProto;
class GraphProto;
}  // namespace onnx

namespace qc::onnx_io {

/// The data files of one model, opened once each. Only regular files inside the model's folder are read: a
/// path from a model file is a stranger's word. Where the model is a link, its data may be links into the
/// folder that it leads to: caches store models so.
class ExternalFiles {
 public:
  /// An empty folder means that there is none (a model from memory): every external tensor is then a problem.
  /// `linked_folder`: where the model's own file lies, if it was reached by a link.
  explicit ExternalFiles(std::filesystem::path folder, std::filesystem::path linked_folder = {})
      : folder_(std::move(folder)), linked_folder_(std::move(linked_folder)) {}
  ~ExternalFiles();
  ExternalFiles(ExternalFiles&&) noexcept = default;
  ExternalFiles(const ExternalFiles&) = delete;
  ExternalFiles& operator=(const ExternalFiles&) = delete;

  /// A file that is in memory; `bytes` must stay as long as this.
  void add(const std::string& location, std::string_view bytes);
  /// `length` < 0: to the end of the file. nullopt: the problem is in `diagnostics` (once for each file that
  /// cannot be opened).
  std::optional<std::string> read(const std::string& location, int64_t offset, int64_t length,
                                  const std::string& place, Diagnostics& diagnostics);
  /// Of the files that were read, whole.
  int64_t bytes_on_disk() const;
  std::vector<std::string> names() const;

 private:
  struct File {
    int fd = -1;
    int64_t size = 0;
    std::optional<std::string_view> memory;  // instead of fd
    std::string problem;  // why it cannot be used; reported with the first tensor that needs it
    bool reported = false;
  };
  File& open(const std::string& location);

  std::filesystem::path folder_, linked_folder_;
  std::map<std::string, File> files_;
};

/// Takes the numbers out of `proto` (which is left without them). Problems go to `diagnostics`; the result is
/// then a tensor without elements.
ir::Tensor take_tensor(onnx::TensorProto& proto, ExternalFiles& files, const std::string& place,
                       Diagnostics& diagnostics);

/// The same numbers with the zeros between them; nothing where that would take more than 64 MiB, or where the
/// indices are not what the format asks for. Problems as in take_tensor().
std::optional<ir::Tensor> dense_tensor(const onnx::SparseTensorProto& proto, ExternalFiles& files,
                                       const std::string& place, Diagnostics& diagnostics);

/// Brings the external data of tensors inside a body (and the bodies inside it) into the body: its bytes must
/// stay true when they are written to another folder.
void embed_external_data(onnx::GraphProto& body, ExternalFiles& files, const std::string& place,
                         Diagnostics& diagnostics);

}  // namespace qc::onnx_io
