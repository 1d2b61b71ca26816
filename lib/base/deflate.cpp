// See deflate.h.
#include "base/deflate.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"

namespace qc {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

class Deflater {
 public:
  Deflater() {
    if (deflateInit(&stream_, Z_DEFAULT_COMPRESSION) != Z_OK) throw std::bad_alloc();
  }
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Bytes that come out; they are thrown away.
  int64_t pack(char* piece, size_t size, bool last) {
    stream_.next_in = reinterpret_cast<Bytef*>(piece);
    stream_.avail_in = static_cast<uInt>(size);
    int64_t packed = 0;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      packed += static_cast<int64_t>(out_.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
    return packed;
  }

 private:
  z_stream stream_{};
  std::vector<char> out_ = std::vector<char>(kPiece);
};

}  // namespace

int64_t deflated_size(const std::filesystem::path& path) {
  if (is_pipe(path)) {
    std::string bytes = read_file(path);
    return Deflater().pack(bytes.data(), bytes.size(), true);
  }
  std::ifstream file(path, std::ios::binary);
  Deflater deflater;
  std::vector<char> piece(kPiece);
  int64_t packed = 0;
  while (file) {
    throw_if_interrupted();
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (file.bad()) break;
    packed += deflater.pack(piece.data(), static_cast<size_t>(file.gcount()), file.eof());
  }
  if (!file.eof())
    throw Error(Exit::kInput,
                {"cannot-read", path.string(), std::strerror(errno), "check the path and its permissions"});
  return packed;
}

}  // namespace qc
