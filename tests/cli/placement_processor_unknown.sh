# A processor that the target has no costs of: an error that names those it has; and one that it has.
quantize_sample --set /placement/processor=x86 --report json > report.json
grep -q '"predicted_time_on": {' report.json || fail "no prediction by processor"
! grep -q '"x86_vnni": [0-9]' report.json || fail "predicted for a processor that was not asked for"
rm -r out
quantize_sample --set /placement/processor=x87
