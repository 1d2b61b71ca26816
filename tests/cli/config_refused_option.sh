# An option of the vocabulary that this version does not have is refused, never silently without effect.
quantize_with "$SAMPLE/model.onnx" "{\"gptq_config\": {\"n_epochs\": 5}}"
