// The file of --resume: when it is written, taken up and taken away.
#include "deliver/resume.h"

#include <catch2/catch.hpp>

#include "base/files.h"

namespace qc {
namespace {

namespace fs = std::filesystem;

const correct::Origin kOrigin{"model", "config", "images", "tool"};

void solve_one(Resume& resume, ir::ValueId weight) {
  keep(resume.kept(), "pass", weight, {{1.0f}, "integers", {}, {}});
}

// A run that was stopped after two layers.
void leave(const fs::path& file) {
  Resume resume(file, kOrigin);
  solve_one(resume, 1);
  solve_one(resume, 2);
}

}  // namespace

TEST_CASE("a run that is stopped leaves its layers, one that ends well leaves nothing", "[resume]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "net.resume";
  { const Resume nothing_solved(file, kOrigin); }
  CHECK_FALSE(fs::exists(file));
  {
    Resume resume(file, kOrigin);
    solve_one(resume, 1);
    CHECK(fs::exists(file));  // the first layer at once: a run that is killed leaves something as well
    solve_one(resume, 2);
  }
  Resume next(file, kOrigin);
  CHECK(next.kept().layers.size() == 2);
  next.finished();
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("layers of another model, config, images or tool are not taken up", "[resume]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "net.resume";
  for (const auto field : {&correct::Origin::model, &correct::Origin::config, &correct::Origin::images,
                           &correct::Origin::tool}) {
    leave(file);
    correct::Origin other = kOrigin;
    other.*field += "!";
    Resume resume(file, other);
    CHECK(resume.kept().layers.empty());
    solve_one(resume, 3);
    CHECK(correct::parse_kept(read_file(file))->origin.*field == other.*field);
    resume.finished();
  }
}

TEST_CASE("a damaged file, and one that cannot be written, fail no run", "[resume]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "net.resume";
  leave(file);
  write_file_atomically(file, read_file(file).substr(0, 60));
  {
    Resume resume(file, kOrigin);
    CHECK(resume.kept().layers.empty());
    solve_one(resume, 5);
  }
  CHECK(correct::parse_kept(read_file(file))->kept.layers.size() == 1);
  Resume nowhere(folder.path() / "missing" / "net.resume", kOrigin);
  CHECK_NOTHROW(solve_one(nowhere, 1));
  fs::remove(file);
  fs::create_directory(file);
  Resume blocked(file, kOrigin);
  CHECK_NOTHROW(solve_one(blocked, 1));
}

}  // namespace qc
