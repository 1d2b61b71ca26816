// The views of `qconvert inspect`.
