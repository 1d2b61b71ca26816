# A gate that cannot hold: the run says so by its exit code, and writes nothing.
quantize_sample --set /gates/min_sqnr_db=200 || code=$?
test -z "$(ls -A out)" || fail "files were written"
exit "$code"
