import SystemFiles

/// The profile's files and directories, which only their owner may enter, read and write, with this adapter's errors.
enum PrivateFile {
  static func exists(_ path: String) -> Bool { SystemFile.exists(path) }

  /// Makes the directory and the ones above it, for its owner only.
  static func makeDirectory(_ path: String) throws(ProfileError) {
    guard !exists(path) else { return }
    let parent = SystemFile.parent(of: path)
    if parent != path { try makeDirectory(parent) }
    try translated { () throws(SystemFailure) in try SystemFile.makeDirectory(path) }
  }

  static func closeToOthers(_ path: String, mode: UInt32) throws(ProfileError) {
    try translated { () throws(SystemFailure) in try SystemFile.setMode(path, mode) }
  }

  /// The names in a directory, without `.` and `..`.
  static func names(in path: String) throws(ProfileError) -> [String] {
    try translated { () throws(SystemFailure) in try SystemFile.names(in: path) }
  }

  /// Reads a whole file, refusing one larger than `limit` bytes.
  ///
  /// - Parameter refusesExposed: whether a file that others may read or change is refused, with `.exposed`.
  static func read(_ path: String, limit: Int, refusesExposed: Bool = false) throws(ProfileError) -> [UInt8] {
    let (bytes, isExposed): ([UInt8], Bool)
    do throws(SystemFailure) { (bytes, isExposed) = try SystemFile.read(path, limit: limit + 1) } catch {
      throw error.isMissing ? .missing : .system(errno: error.errno)
    }
    guard !refusesExposed || !isExposed else { throw .exposed }
    guard bytes.count <= limit else { throw .damaged }
    return bytes
  }

  /// Makes an empty file if there is none.
  static func touch(_ path: String) throws(ProfileError) {
    try translated { () throws(SystemFailure) in try SystemFile.touch(path) }
  }

  /// Makes a file of these bytes, which must not be there yet.
  static func create(_ path: String, _ bytes: [UInt8]) throws(ProfileError) {
    do throws(SystemFailure) { try SystemFile.create(path, bytes) } catch {
      throw error.isExisting ? .exists : .system(errno: error.errno)
    }
  }

  /// Replaces the file in one step, durably: after a crash there is the old content or the new one. The bytes of the old
  /// file are overwritten, for what that is worth on the medium below.
  ///
  /// - Parameter beforeStep: called before each thing that reaches the disk.
  static func replace(_ path: String, with bytes: [UInt8], beforeStep: () -> Void) throws(ProfileError) {
    try translated { () throws(SystemFailure) in
      try SystemFile.replace(path, with: bytes, erasesOld: true, beforeStep: beforeStep)
    }
  }

  static func remove(_ path: String) throws(ProfileError) {
    try translated { () throws(SystemFailure) in try SystemFile.remove(path) }
  }

  private static func translated<Value>(_ body: () throws(SystemFailure) -> Value) throws(ProfileError) -> Value {
    do { return try body() } catch { throw .system(errno: error.errno) }
  }
}
