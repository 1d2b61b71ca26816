# Markdown and HTML are files beside the JSON report, the same for every thread count; stdout stays the text.
quantize_sample --report html --report markdown --threads 1
mv out first
quantize_sample --report html --report markdown --threads 2
for ending in json md html; do
  cmp "first/model.report.$ending" "out/model.report.$ending" || fail "another thread count gives another .$ending"
done
# One file that needs nothing but itself.
! grep -Eo '(src|href)="?(https?:)?//[^"]*' out/model.report.html || fail "the page points elsewhere"
! grep -q "$PWD" out/model.report.html || fail "the page names this machine's folders"
quantize_sample --report html --report json --set /output/report_name='"r.json"' > stdout.json
cmp stdout.json out/r.json
[ -s out/r.html ] || fail "the page does not follow the report's name"
