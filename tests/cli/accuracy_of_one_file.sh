# Two files of different forms: whose the figures are.
quantize_sample --format onnx,tflite --set /output/tflite/form=dynamic_range
