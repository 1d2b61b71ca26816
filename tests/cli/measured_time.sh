# How fast the file is, measured once it is written: said to people, and in no file, whose bytes are those of a
# run that says nothing.
quantize_sample > told.txt
grep -q "^time on one thread, float = 1: .* measured here" told.txt || fail "the file's time was not measured"
cp out/*.report.json told.json
quantize_sample -q > quiet.txt
! grep -q "measured here" quiet.txt || fail "measured though nobody reads it"
cmp told.json out/*.report.json || fail "another report when the time is measured"
