# Accuracy with labels and speed as gates: measured, printed, and the same report from run to run.
quantize_sample --images "$SAMPLE/eval" --set /gates/max_top1_drop=5 --set "/gates/labels=$SAMPLE/labels.csv" --set /gates/min_speedup=0.01 --no-progress
cp out/model.report.json first.json
quantize_sample --images "$SAMPLE/eval" --set /gates/max_top1_drop=5 --set "/gates/labels=$SAMPLE/labels.csv" --set /gates/min_speedup=0.01 --no-progress -q
cmp first.json out/model.report.json || fail "the report changed"
