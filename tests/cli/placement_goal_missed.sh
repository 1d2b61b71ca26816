# A goal of the placement that was set and cannot be had: exit 5, nothing written; what rounding weights costs was corrected
# unasked, and the report says what stands in the way.
quantize_sample --set /placement/min_sqnr_db=150 || code=$?
test -z "$(ls -A out)" || fail "files were written"
exit "$code"
