head -c 1500 "$DATA/tflite/classifier.tflite" > cut.tflite
"$QCONVERT" inspect cut.tflite
