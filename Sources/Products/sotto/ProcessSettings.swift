import Foundation

/// What the process asks of the system before it holds a secret.
enum ProcessSettings {
  // glibc's names are of another type than its functions take.
  #if canImport(Glibc)
    static let coreDumps = __rlimit_resource_t(RLIMIT_CORE.rawValue)
  #else
    static let coreDumps = RLIMIT_CORE
  #endif

  static func apply() {
    // Files are for their owner only, whatever the caller's settings.
    umask(0o077)
    // A core dump would write keys and messages to disk.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    // `unsafe`: the system reads the value during the call.
    guard unsafe setrlimit(coreDumps, &none) == 0 else { preconditionFailure("a limit can always be lowered") }
    // Whoever closes the other end of a pipe must not end the program in the middle of a change: writing fails instead.
    signal(SIGPIPE, SIG_IGN)
    // A standard stream that the caller has closed is held, or the profile's files would get its number and the program's
    // words. Reading from it ends at once, and writing to it fails.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
      // `unsafe`: the string is lent to the system as a C string for the duration of the call.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }
}
