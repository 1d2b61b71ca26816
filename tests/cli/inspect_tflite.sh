# Any .tflite file, known by its bytes and not by its name: operators, scales, and sizes that sum to the file.
cp "$DATA/tflite/classifier.tflite" model.bin
"$QCONVERT" inspect -v model.bin
