"$QCONVERT" doctor
"$QCONVERT" doctor --json > by_flag
grep -c '"onnxruntime": "[0-9]' by_flag
"$QCONVERT" doctor --report json | cmp - by_flag
