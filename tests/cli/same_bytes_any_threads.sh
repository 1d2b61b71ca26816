# Same input, same bytes: on a second run and whatever the number of threads. What a clock says is for people alone.
for run in "first --threads 1" "second --threads 1" "third --threads 2" "fourth --threads 5"; do
  set -- $run
  folder=$1
  shift
  "$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o "$folder" --set /representative_dataset/max_images=40 "$@" |
    grep -v "^written:" | sed 's/, [0-9.]* measured here//' > "$folder.txt"
done
for other in second third fourth; do
  diff -r first "$other" || fail "first and $other differ"
  diff first.txt "$other.txt" || fail "the reports of first and $other differ"
done
