"$QCONVERT" doctor
"$QCONVERT" doctor --json | grep -c '"onnxruntime": "[0-9]'
