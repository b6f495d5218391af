#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Holds a profile for one process: the system lets go of it when the process ends, however it does.
struct ProfileLock: ~Copyable {
  private let descriptor: Int32

  /// - Throws: `.inUse` while another has it, in this process or another one.
  init(_ path: String) throws(ProfileError) {
    // unsafe: the string is lent to the system as a C string for the duration of the call.
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode_t(0o600))
    guard descriptor >= 0 else { throw .system(errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      _ = close(descriptor)
      throw code == EWOULDBLOCK ? .inUse : .system(errno: code)
    }
  }

  deinit {
    // Closing is not enough: a process that is just being started has the descriptor too, until it runs its program.
    _ = flock(descriptor, LOCK_UN)
    _ = close(descriptor)
  }
}
