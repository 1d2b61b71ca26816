# Nothing is told of packed weights where no layer has them.
quantize_sample --set /weight_only/runtime=packed
