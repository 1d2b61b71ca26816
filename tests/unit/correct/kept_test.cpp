// The bytes of kept layers: all of them come back, and nothing else is taken for them.
#include "correct/kept.h"

#include <catch2/catch.hpp>

#include "base/text.h"

namespace qc {
namespace {

correct::Kept some_layers() {
  correct::Kept kept;
  keep(kept, "pass one", 3, {{0.5f, 0.25f}, std::string("\x01\x02\0\x04", 4), {1.5f, -2.5f}, {{0.25, 0.5}}});
  keep(kept, "pass one", 7, {{1e-30f}, "", {}, {{1, 0}, {0, 1}}});
  keep(kept, "pass two", 3, {{}, "x", {}, {}});
  return kept;
}

const correct::Origin kOrigin{"a model", "a config", "images", "a tool, with words"};

}  // namespace

TEST_CASE("kept layers and figures come back from their bytes") {
  correct::Kept kept = some_layers();
  CHECK(kept_figure(kept, "probe", [] { return 0.1; }) == 0.1);
  CHECK(kept_figure(kept, "probe", [] { return 7.0; }) == 0.1);
  const auto read = correct::parse_kept(to_bytes(kOrigin, kept));
  REQUIRE(read);
  CHECK(read->origin.model == kOrigin.model);
  CHECK(read->origin.config == kOrigin.config);
  CHECK(read->origin.images == kOrigin.images);
  CHECK(read->origin.tool == kOrigin.tool);
  CHECK(read->kept.figures == kept.figures);
  REQUIRE(read->kept.layers.size() == 3);
  for (const auto& [name, layer] : kept.layers) {
    const correct::KeptLayer& other = read->kept.layers.at(name);
    CHECK(other.scales == layer.scales);
    CHECK(other.packed == layer.packed);
    CHECK(other.delta == layer.delta);
    REQUIRE(other.trusts.size() == layer.trusts.size());
    for (size_t t = 0; t < layer.trusts.size(); ++t) {
      CHECK(other.trusts[t].strength == layer.trusts[t].strength);
      CHECK(other.trusts[t].shrink == layer.trusts[t].shrink);
    }
  }
  CHECK(to_bytes(read->origin, read->kept) == to_bytes(kOrigin, kept));
}

TEST_CASE("bytes that are cut off, changed or too many are no kept layers") {
  const std::string whole = to_bytes(kOrigin, some_layers());
  for (size_t size = 0; size < whole.size(); ++size) {
    INFO("cut at " << size);
    CHECK_FALSE(correct::parse_kept(std::string_view(whole).substr(0, size)));
  }
  CHECK_FALSE(correct::parse_kept(whole + "x"));
  for (size_t at = 0; at < whole.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      INFO("byte " << at << " ^ " << flip);
      CHECK_FALSE(correct::parse_kept(changed));
    }
}

// The checksum guards against accidents; whoever makes one that fits must not get further than a refusal.
TEST_CASE("lengths that lie are refused even where the checksum fits") {
  const std::string whole = to_bytes(kOrigin, some_layers());
  const size_t head = whole.find('\n') + 1, checksum = 16;
  const auto sealed = [&](const std::string& body) {
    return whole.substr(0, head) + content_hash(body) + body;
  };
  const std::string body = whole.substr(head + checksum);
  REQUIRE(correct::parse_kept(sealed(body)));
  for (size_t size = 0; size < body.size(); ++size) {
    INFO("cut at " << size);
    CHECK_FALSE(correct::parse_kept(sealed(body.substr(0, size))));
  }
  for (size_t at = 0; at < body.size(); ++at)
    for (const int flip : {0x01, 0x7F, 0x80, 0xFF}) {
      std::string changed = body;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      correct::parse_kept(sealed(changed));  // whatever it says, it returns
    }
}

}  // namespace qc
