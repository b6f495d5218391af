#pragma once
#include <stdint.h>

// What the calling thread has allocated since it began. Both stay zero where the allocator is not glibc's.

/// Calls of malloc, calloc, realloc and their aligned kin.
uint64_t allocation_count(void);

/// Bytes of heap taken less bytes given back, with the allocator's own overhead. Memory that one thread takes and another
/// gives back is counted in the wrong place.
int64_t live_heap_bytes(void);
