# The same run again leaves the files their times; another one does not.
quantize_sample -q > first.txt
touch -d '2001-02-03' out/*
quantize_sample -q > second.txt
test -z "$(find out -type f -newermt 2001-02-04)" || fail "a file was written again"
quantize_sample -q --set /placement=full > third.txt
test "$(find out -type f -newermt 2001-02-04 | wc -l)" = 2 || fail "a new content, an old file"
grep -c '^unchanged: ' second.txt
grep -c '^written: ' third.txt
