# The manual is what man can read.
"$QCONVERT" man > qconvert.1
if command -v groff > /dev/null; then groff -man -Tutf8 -ww qconvert.1 2> complaints > /dev/null; test ! -s complaints || fail "groff: $(head -3 complaints)"; fi
cat qconvert.1
