// Pictures that are kept: from the second time on, and no more than there is room for.
#include "images/kept_pictures.h"

#include <catch2/catch.hpp>

using namespace qc::images;

namespace {

Fitted fitted(int64_t side, uint8_t value) {
  Fitted one{make_picture(side, side, 3), {}};
  one.pixels.pixels.assign(one.pixels.pixels.size(), value);
  one.geometry.left = side;
  return one;
}

bool holds(const KeptPictures& kept, const std::string& name, const Fitted& expected) {
  const auto found = kept.find(name);
  return found && found->pixels.pixels == expected.pixels.pixels &&
         found->pixels.width == expected.pixels.width && found->pixels.height == expected.pixels.height &&
         found->pixels.channels == 3 && found->geometry.left == expected.geometry.left;
}

}  // namespace

TEST_CASE("a picture is kept when it comes a second time", "[images]") {
  KeptPictures kept(1 << 20);
  kept.offer("a", fitted(8, 1));
  CHECK_FALSE(kept.find("a"));
  kept.offer("a", fitted(8, 1));
  CHECK(holds(kept, "a", fitted(8, 1)));
  kept.offer("b", fitted(5, 2));
  CHECK_FALSE(kept.find("b"));
  kept.offer("b", fitted(5, 2));
  kept.offer("a", fitted(8, 1));
  CHECK(holds(kept, "b", fitted(5, 2)));
  CHECK(holds(kept, "a", fitted(8, 1)));
}

TEST_CASE("pictures beyond the room are not kept, smaller ones still are", "[images]") {
  KeptPictures kept(3 * (8 * 8 + 4 * 4));
  for (int time = 0; time < 2; ++time) {
    kept.offer("a", fitted(8, 1));
    kept.offer("large", fitted(8, 2));
    kept.offer("small", fitted(4, 3));
  }
  CHECK(holds(kept, "a", fitted(8, 1)));
  CHECK_FALSE(kept.find("large"));
  CHECK(holds(kept, "small", fitted(4, 3)));
}
