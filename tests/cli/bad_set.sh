# A pointer that leads nowhere.
quantize_sample --set /representative_dataset/max_image=4
