#ifndef SOTTO_C_FAULTY_VFS_H
#define SOTTO_C_FAULTY_VFS_H

/// Disks with faults, under SQLite, for tests. A disk is a directory; files elsewhere are SQLite's own business.
///
/// Nothing is really flushed on such a disk: tests ask what was flushed, and make of it what a power failure leaves.

/// What SQLite does to a file; bits, to name several.
enum {
  FAULTY_WRITE = 1,
  FAULTY_SYNC = 2,
  FAULTY_TRUNCATE = 4,
  FAULTY_READ = 8,
  /// Opening for writing: a disk that can only be read.
  FAULTY_OPEN = 16,
};

/// What was done, in order.
enum {
  FAULTY_WROTE = 1,
  FAULTY_TRUNCATED = 2,
  FAULTY_SYNCED = 3,
  /// Said to be flushed, and not flushed.
  FAULTY_LIED = 4,
  /// Refused; what was written before may be lost whatever is said later.
  FAULTY_SYNC_FAILED = 5,
};

typedef struct {
  int kind;
  /// 0 for the database, 1 for its write-ahead log, 2 for others.
  int file;
  long long offset;
  long long byte_count;
  /// Of a write; valid until the disk is removed.
  const unsigned char *bytes;
} faulty_event;

/// Puts the disks below every database that is opened from now on. Once.
///
/// Returns 0 for success.
int faulty_install(void);

/// Begins to treat a directory as a disk with faults, none yet; its path as SQLite sees it.
///
/// Returns the disk's number, or -1 when there are too many.
int faulty_disk_add(const char *directory);

/// Forgets a disk, whose files must be closed, and what was recorded of it.
void faulty_disk_remove(int disk);

/// Lets the nth operation of these kinds fail from now on, counted from 1, with a result of SQLite's; every later one, too, if it lasts.
/// Of a write that fails, so many bytes of a hundred still reach the disk.
void faulty_disk_plan(int disk, int kinds, int nth, int lasts, int code, int percent);

/// Lets the write-ahead log have so many bytes at most from now on, as on a disk that is full but for that; 0 for no bound.
void faulty_disk_bound_log(int disk, long long byte_count);

/// Takes the plan and the bound back.
void faulty_disk_mend(int disk);

/// How many operations have failed.
int faulty_disk_failure_count(int disk);

/// How many operations of these kinds there were since the disk was added.
long faulty_disk_operation_count(int disk, int kinds);

/// Says from now on that something is flushed, and does not flush it; or stops to.
void faulty_disk_lie(int disk, int lies);

/// Records what is done from now on.
void faulty_disk_record(int disk);

long faulty_disk_event_count(int disk);

/// Returns 0 for success.
int faulty_disk_event(int disk, long index, faulty_event *event);

#endif
