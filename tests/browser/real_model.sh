#!/usr/bin/env bash
# Size and speed of the page of the largest real model; skipped (77) where QCONVERT_TEST_DATA does not name the data.
#   real_model.sh NODE QCONVERT
[ -n "${QCONVERT_TEST_DATA:-}" ] || exit 77
exec "$1" "$(dirname "$0")/run.mjs" "$2" - "$QCONVERT_TEST_DATA"
