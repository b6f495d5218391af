// The entry of libFuzzer for a program with a main function of its own; clang's runtime, linked by -sanitize=fuzzer, holds it.
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
