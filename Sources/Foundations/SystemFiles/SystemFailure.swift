#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The system refuses something.
public struct SystemFailure: Error, Equatable, Sendable {
  /// Its number, of `errno.h`.
  public let errno: Int32

  public init(errno: Int32) { self.errno = errno }

  /// There is no such file or directory.
  public var isMissing: Bool { errno == ENOENT }

  /// There is one already.
  public var isExisting: Bool { errno == EEXIST }

  /// No room on the disk, or none for this user.
  public var isFull: Bool { errno == ENOSPC || errno == EDQUOT }

  /// What the last call in this thread was refused with.
  public static func last() -> SystemFailure { SystemFailure(errno: Self.current) }

  // Under a name that the property does not hide.
  private static var current: Int32 { lastNumber() }
}

private func lastNumber() -> Int32 { errno }
