# Nothing that is written may replace what is read, or something else that is written: said before any work, all at once.
cp -r "$SAMPLE" sample
before=$(find sample -type f -exec sha256sum {} + | sort)
code=0
"$QCONVERT" sample/model.onnx --config sample/config.json -o out --depfile out/../sample/config.json --stamp sample/model.onnx \
  || code=$?
[ "$before" = "$(find sample -type f -exec sha256sum {} + | sort)" ] || fail "the input folder has changed"
other=0
"$QCONVERT" sample/model.onnx --config sample/config.json -o out --stamp out/model.report.json || other=$?
[ "$other" = 1 ] || fail "the stamp may replace the report"
[ -z "$(find out -type f 2>/dev/null)" ] || fail "a file was written"
(exit $code)
