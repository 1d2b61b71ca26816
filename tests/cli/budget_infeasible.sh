# A budget that no choice of widths meets: exit 5, the least that can be reached and what is in the way, nothing written.
quantize_sample --set /target_resource_utilization/weights_memory=1000 || code=$?
test -z "$(ls -A out)" || fail "files were written"
exit "$code"
