# Of two budgets the one is named that cannot be met, with the figure that was written.
quantize_sample --set /target_resource_utilization/weights_memory=70% --set /target_resource_utilization/total_memory=20000
