#ifndef CPROCESS_H
#define CPROCESS_H

/// Makes the kernel write no core of this process and let no other process of its user read its memory (Linux; elsewhere
/// nothing). Swift does not see `prctl`, which takes a variable number of arguments.
///
/// Returns 0, or -1.
int sotto_forbid_dumps(void);

/// What kind of file stands at a path and who may do what with it (`st_mode`), or -1 when it cannot be seen.
int sotto_file_mode(const char *path);

#endif
