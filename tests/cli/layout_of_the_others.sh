# A layout that is not the model's: the channels do not fit, and the remedy is the layout.
quantize_sample --set /representative_dataset/preprocess/layout=NHWC
