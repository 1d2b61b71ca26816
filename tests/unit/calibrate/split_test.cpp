// Which images the figures are judged on.
#include <catch2/catch.hpp>

#include "calibrate/calibrate.h"

using namespace qc;

TEST_CASE("a fifth of the images is held out, and of few images none") {
  const calibrate::Split many = calibrate::split_images(100, 16);
  CHECK(many.held_out.size() == 16);
  CHECK(many.calibration.size() == 84);
  CHECK(calibrate::split_images(10, 16).held_out.size() == 2);
  const calibrate::Split few = calibrate::split_images(9, 16);
  CHECK(few.calibration.size() == 9);
  CHECK(few.held_out == few.calibration);
}
