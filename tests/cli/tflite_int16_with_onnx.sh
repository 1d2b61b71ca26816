# int16 activations have no ONNX file beside them.
quantize_sample --format onnx,tflite --target litert --set /output/tflite/form=int16x8
