#ifndef CPROCESS_H
#define CPROCESS_H

/// Makes the kernel write no core of this process and let no other process of its user read its memory (Linux; elsewhere
/// nothing). Swift does not see `prctl`, which takes a variable number of arguments.
///
/// Returns 0, or -1.
int sotto_forbid_dumps(void);

#endif
