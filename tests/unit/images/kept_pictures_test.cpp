// Pictures that are kept: from the second time on, and no more than there is room for.
#include "images/kept_pictures.h"

#include <catch2/catch.hpp>

using namespace qc::images;

namespace {

std::shared_ptr<const Fitted> fitted(int64_t side) {
  return std::make_shared<const Fitted>(Fitted{make_picture(side, side, 3), {}});
}

}  // namespace

TEST_CASE("a picture is kept when it comes a second time", "[images]") {
  KeptPictures kept(1 << 20);
  const auto first = fitted(8), again = fitted(8);
  kept.offer("a", first);
  CHECK_FALSE(kept.find("a"));
  kept.offer("a", again);
  CHECK(kept.find("a") == again);
  CHECK_FALSE(kept.find("b"));
  kept.offer("a", first);
  CHECK(kept.find("a") == again);
}

TEST_CASE("pictures beyond the room are not kept, smaller ones still are", "[images]") {
  KeptPictures kept(3 * (8 * 8 + 4 * 4));
  for (int time = 0; time < 2; ++time) {
    kept.offer("a", fitted(8));
    kept.offer("large", fitted(8));
    kept.offer("small", fitted(4));
  }
  CHECK(kept.find("a"));
  CHECK_FALSE(kept.find("large"));
  CHECK(kept.find("small"));
}
