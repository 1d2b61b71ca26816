# Labels against the folder's names: none that fits is an error before the work; in part, or wrong, they are spoken of.
quantize() { quantize_sample --no-progress --set /gates/max_top1_drop=50 --set "/gates/labels=$PWD/l.csv" "$@" > report.txt 2> said.txt; }
printf 'file,class_index\nno_such.jpg,3\n' > l.csv
quantize --dump stats && fail "labels of others"
grep -q '^error\[bad-labels\] .*l.csv' said.txt && ! [ -s report.txt ] || fail "$(cat said.txt report.txt)"
printf 'file,class_index\n' > l.csv
for picture in $(ls "$SAMPLE/calib" | head -3); do echo "$picture,99" >> l.csv; done
quantize && fail "no such class"
grep -q 'why: .*3 of 3 labels lead to no class of the 12 .*99 of' said.txt || fail "$(cat said.txt)"
printf 'file,class_index\n' > l.csv
for picture in $(ls "$SAMPLE/calib" | head -40); do echo "$picture,11" >> l.csv; done
quantize || fail "$(cat said.txt)"
grep -q '160 of 200 images have no label, the first is' report.txt || fail "$(cat report.txt)"
grep -q 'labels may be of other images' report.txt || fail "$(cat report.txt)"
