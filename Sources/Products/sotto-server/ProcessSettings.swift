import CProcess
import Foundation

/// What the process asks of the system before it holds a secret.
enum ProcessSettings {
  /// - Parameter openToDrill: for breach-drill, which looks into memory and core files: leaves both to what the system permits.
  static func apply(openToDrill: Bool = false) {
    // Files are for their owner only, whatever the caller's settings.
    umask(0o077)
    sotto_free_large_blocks()
    // A core dump would write keys and envelopes in flight to disk.
    var dumps = rlimit(rlim_cur: 0, rlim_max: 0)
    // `unsafe`, here and below: the system reads and writes the value during the call.
    if openToDrill, unsafe getrlimit(coreDumps, &dumps) == 0 { dumps.rlim_cur = dumps.rlim_max }
    guard unsafe setrlimit(coreDumps, &dumps) == 0 else { preconditionFailure("a limit can always be lowered") }
    // Nor may a handler of core dumps be started, or another process of this user read the memory.
    guard openToDrill || sotto_forbid_dumps() == 0 else { preconditionFailure("a process can always do this to itself") }
    // Nor may a crash be told in detail: the language's own report holds registers, and waits for a helper that the line
    // above keeps from reading the process. What fails ends at once.
    for number in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] {
      _ = signal(number, SIG_DFL)
    }
    // Each client that waits holds one file descriptor; the usual 1,024 would be the limit of the whole server.
    var files = rlimit()
    if unsafe getrlimit(openFiles, &files) == 0 {
      files.rlim_cur = files.rlim_max
      _ = unsafe setrlimit(openFiles, &files)
    }
  }
}

// glibc's names are of another type than its functions take.
#if canImport(Glibc)
  private let coreDumps = __rlimit_resource_t(RLIMIT_CORE.rawValue)
  private let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
#else
  private let coreDumps = RLIMIT_CORE
  private let openFiles = RLIMIT_NOFILE
#endif
