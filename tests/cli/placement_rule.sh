# A rule has a layer on integers that would not pay there; --explain says what it would cost, and takes the rule it prints.
quantize_sample --explain "block2/depthwise/conv" > first.txt
grep -q 'to have it so, /placement/rules takes {"filter":{"name":' first.txt || fail "no rule to paste: $(cat first.txt)"
rule=$(sed -n 's|.*/placement/rules takes ||p' first.txt | head -1)
quantize_sample --set "/placement/rules=[$rule]" --explain "block2/depthwise/conv" > second.txt
grep -q 'runs:    integer' second.txt || fail "the rule was not followed: $(cat second.txt)"
