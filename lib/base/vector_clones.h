// One source, one machine code per instruction set, chosen when the program starts. The loops so marked use
// only operations that IEEE 754 rounds exactly (the build forbids contraction), so every clone computes the
// same bits.
#pragma once

// Function multiversioning needs ifunc (ELF, x86); sanitizers instrument the resolver, which runs before
// their runtime.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define QC_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QC_VECTOR_CLONES
#endif
