# No bar and no carriage returns where stderr is a file.
quantize_sample 2> messages
grep -q "$(printf "\r")" messages && fail "carriage returns in a log"
cat messages >&2
