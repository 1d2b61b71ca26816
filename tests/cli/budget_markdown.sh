# The markdown report of a budget: widths that were tried, by bytes.
quantize_sample --set /placement=full --set /target_resource_utilization/weights_memory=60% --set /mixed_precision_config/sensitivity=gram \
  --report markdown -q > report.txt; cat out/model.report.md
