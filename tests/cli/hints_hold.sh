# The lines of a hint do what its figures say: each that was tried is put into the config, and converted with. Negative lobes
# are left for the hint to find.
export SAMPLE
quantize_sample --target imx500 --set /quantization_config/shift_negative_activation_correction=false --diagnose --report json > before.json
python3 - <<'P'
import json
report = json.load(open('before.json'))
config = json.load(open(__import__('os').environ['SAMPLE'] + '/config.json'))
config['representative_dataset']['path'] = __import__('os').environ['SAMPLE'] + '/calib'
config['representative_dataset']['max_images'] = 24
config['target_platform_capabilities'] = 'imx500'
config['quantization_config'] = {'shift_negative_activation_correction': False}

def merge(into, lines):
    for key, value in lines.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        else:
            into[key] = value

checks = [hint['check'] for hint in report['hints']]
assert 'few_images' in checks and 'negative_lobe' in checks, checks
tried = [hint for hint in report['hints'] if hint['after_db'] is not None and hint['check'] != 'bias_correction']
for i, hint in enumerate(tried):
    changed = json.loads(json.dumps(config))
    merge(changed, hint['lines'])
    json.dump(changed, open('hint%d.json' % i, 'w'))
json.dump([hint['after_db'] - hint['before_db'] for hint in tried], open('gains.json', 'w'))
P
for config in hint?.json; do
  "$QCONVERT" "$SAMPLE/model.onnx" --config "$config" -o out --report json > "after_$config"
done
python3 - <<'P'
import glob, json
gains = json.load(open('gains.json'))
before = json.load(open('before.json'))['accuracy']['simulated'][0]['sqnr_db']
assert gains and min(gains) > 0
for i, gain in enumerate(gains):
    after = json.load(open('after_hint%d.json' % i))['accuracy']['simulated'][0]['sqnr_db']
    assert after > before + gain / 2, (i, before, gain, after)
P
