# A name that no node has, and none that is made later can have, is found before the work: even a dry run says so.
quantize_sample --dry-run --explain stem/conv --explain "*/norm" --explain stem/conv/channels -q || fail "names that are there or may come"
quantize_sample --dry-run --explain "stem/n*" --explain "stem/convv/*"
