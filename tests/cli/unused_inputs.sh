# Inputs beside the picture, named for a model that has none.
quantize_sample -q --set /representative_dataset/other_inputs=/nowhere/others.npz
