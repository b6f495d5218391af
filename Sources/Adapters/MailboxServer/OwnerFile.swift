import SystemFiles

/// Files that only their owner may read.
enum OwnerFile {
  static func exists(_ path: String) -> Bool { SystemFile.exists(path) }

  /// The permissions of a file, or nil when there is none.
  static func mode(_ path: String) -> UInt32? { SystemFile.mode(path) }

  /// Replaces the file at `path` in one step: after a crash there is the old content or the new one.
  static func replace(_ path: String, with bytes: [UInt8]) throws(TLSMaterialError) {
    do throws(SystemFailure) { try SystemFile.replace(path, with: bytes) } catch { throw .cannotWrite(errno: error.errno) }
  }
}
