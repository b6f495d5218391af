#ifndef CPROCESS_H
#define CPROCESS_H

/// Makes the kernel write no core of this process and let no other process of its user read its memory (Linux; elsewhere
/// nothing). Swift does not see `prctl`, which takes a variable number of arguments.
///
/// Returns 0, or -1.
int sotto_forbid_dumps(void);

/// Has blocks of memory from 128 KiB on go back to the system as soon as they are free (glibc; elsewhere nothing). Left to itself,
/// glibc keeps ever larger ones, up to 32 MiB each, once it has seen them freed.
void sotto_free_large_blocks(void);

/// Gives back to the system what is free of the memory of this process (glibc; elsewhere nothing); some milliseconds.
void sotto_give_back_memory(void);

#endif
