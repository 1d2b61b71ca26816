# Every rounding has its row, the costliest first, in the text and in the JSON report.
quantize_sample --set /placement=full --diagnose --report json > report.json
python3 - <<'P'
import json
report = json.load(open('report.json'))
found = report['ablation']
rows = found['rows']
alone = [row['only_db'] for row in rows]
assert alone == sorted(alone), alone
assert {row['what'] for row in rows} == {'weights', 'activation'}
layers = [node['node'] for node in report['nodes'] if node['op_type'] in ('Conv', 'Gemm')]
assert sorted(row['node'] for row in rows if row['what'] == 'weights') == sorted(layers)
for row in rows:  # alone it costs less than all together, and all are better without the costliest
    assert row['only_db'] > found['all_db'], row
for what, together in (('weights', found['weights_db']), ('activation', found['activations_db'])):
    # Corrected weights make up for each other: all of them may cost a little less than one.
    assert together < min(row['only_db'] for row in rows if row['what'] == what) + 2, (what, together)
assert found['weights_db'] > found['all_db'], found
assert max(row['without_db'] for row in rows[:3]) > found['all_db']
P
"$QCONVERT" "$SAMPLE/model.onnx" --config "$SAMPLE/config.json" -o text --set /representative_dataset/max_images=24 --set /placement=full --diagnose
