#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Files and directories that only their owner may enter, read and write. A path is lent to the system as a C string while a call
/// lasts; that is what is `unsafe` here and not said again.
///
/// What root makes in a directory of somebody else's belongs to them: a command that root runs leaves a service nothing that it
/// cannot open.
public enum SystemFile {
  /// Whether there is anything at a path; a symbolic link counts as what it leads to.
  public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Type and permissions, `st_mode`, of what a path leads to; nil where there is nothing.
  public static func mode(_ path: String) -> UInt32? { status(path).map { UInt32($0.st_mode) } }

  /// Bytes of the file that a path leads to; nil where there is nothing.
  public static func byteCount(_ path: String) -> Int? { status(path).map { Int(clamping: $0.st_size) } }

  /// Whether a path leads to a directory.
  public static func isDirectory(_ path: String) -> Bool { status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

  /// Whether two paths lead to things on the same file system; false where one of them leads to nothing.
  public static func areTogether(_ first: String, _ second: String) -> Bool {
    guard let first = status(first), let second = status(second) else { return false }
    return first.st_dev == second.st_dev
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status : nil
  }

  // MARK: Directories

  /// Makes a directory for its owner alone; what is there stays as it is, also if it is none.
  ///
  /// - Parameter staysOwn: it is not left to the owner of the directory around it, and so nothing in it is.
  public static func makeDirectory(_ path: String, staysOwn: Bool = false) throws(SystemFailure) {
    guard unsafe mkdir(path, mode_t(0o700)) == 0 else {
      if errno == EEXIST { return }
      throw .last()
    }
    guard geteuid() == 0, !staysOwn else { return }
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last() }
    defer { _ = close(descriptor) }
    try leaveToOwner(descriptor, path)
  }

  /// Sets the permissions of what a path leads to.
  ///
  /// - Parameter mode: the lower twelve bits of `st_mode`.
  /// - Throws: also where there is nothing.
  public static func setMode(_ path: String, _ mode: UInt32) throws(SystemFailure) {
    guard unsafe chmod(path, mode_t(mode)) == 0 else { throw .last() }
  }

  /// What lies in a directory, in order, without the two names that every one has.
  ///
  /// - Throws: where there is none (`isMissing`), and for what is none.
  public static func names(in path: String) throws(SystemFailure) -> [String] {
    guard let directory = unsafe opendir(path) else { throw .last() }
    defer { _ = unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // The system ends the name with a zero within the entry, which stays valid until the next call.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: name.pointee)) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes the names in a directory durable, or the content of a file that somebody else wrote.
  public static func flush(_ path: String) throws(SystemFailure) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last() }
    defer { _ = close(descriptor) }
    try DescriptorIO.flush(descriptor)
  }

  /// The directory that a path's last name is in.
  public static func parent(of path: String) -> String {
    var components = path.split(separator: "/", omittingEmptySubsequences: true)
    guard !components.isEmpty else { return path.hasPrefix("/") ? "/" : "." }
    components.removeLast()
    if path.hasPrefix("/") { return "/" + components.joined(separator: "/") }
    return components.isEmpty ? "." : components.joined(separator: "/")
  }

  /// Gives a file or directory that root has just made to whom the directory around it belongs; does nothing for others than root.
  public static func leaveToOwner(_ descriptor: Int32, _ path: String) throws(SystemFailure) {
    guard geteuid() == 0, let around = status(parent(of: path)), around.st_uid != 0 else { return }
    guard fchown(descriptor, around.st_uid, around.st_gid) == 0 else { throw .last() }
  }

  // MARK: Files

  /// Makes an empty file if there is none; a symbolic link is not followed, and refused.
  public static func touch(_ path: String) throws(SystemFailure) {
    var descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode_t(0o600))
    let isNew = descriptor >= 0
    if !isNew, errno == EEXIST { descriptor = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) }
    guard descriptor >= 0 else { throw .last() }
    defer { _ = close(descriptor) }
    if isNew { try leaveToOwner(descriptor, path) }
  }

  /// The first bytes of a file.
  ///
  /// - Returns: at most `limit` bytes, and whether others than the owner may do anything with the file.
  /// - Throws: where there is none (`isMissing`).
  public static func read(_ path: String, limit: Int) throws(SystemFailure) -> (bytes: [UInt8], isExposed: Bool) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last() }
    defer { _ = close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .last() }
    return (try DescriptorIO.readOn(descriptor, limit: limit), status.st_mode & 0o077 != 0)
  }

  /// Makes a file that is not there yet; it is on disk, with its name, when this returns.
  ///
  /// - Throws: `isExisting` where there is something, also a symbolic link. After any other failure there may be a part of the file.
  public static func create(_ path: String, _ bytes: [UInt8]) throws(SystemFailure) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw .last() }
    try fill(descriptor, bytes, path)
    try flush(parent(of: path))
  }

  /// Writes a new file, and closes it.
  private static func fill(_ descriptor: Int32, _ bytes: [UInt8], _ path: String) throws(SystemFailure) {
    defer { _ = close(descriptor) }
    try leaveToOwner(descriptor, path)
    try DescriptorIO.writeOn(bytes[...], to: descriptor)
    try DescriptorIO.flush(descriptor)
  }

  /// Writes a file in one step, and returns when it is on disk: after a crash there is the old content or the new one.
  ///
  /// - Parameters:
  ///   - erasesOld: the bytes of the old file are overwritten afterwards, for what that is worth on the medium below.
  ///   - beforeStep: called before each thing that reaches the disk.
  /// - Throws: with the old content or the new one in place. A part of the new one may lie beside it, with `.new` behind its name, until
  ///   the next time.
  public static func replace(
    _ path: String, with bytes: [UInt8], erasesOld: Bool = false, beforeStep: () -> Void = {}
  ) throws(SystemFailure) {
    let fresh = path + ".new"
    // A crash may have left one behind, perhaps with other permissions.
    _ = unsafe unlink(fresh)
    let old = erasesOld ? unsafe open(path, O_WRONLY | O_CLOEXEC) : -1
    defer { if old >= 0 { _ = close(old) } }
    beforeStep()
    try create(fresh, bytes)
    beforeStep()
    guard unsafe rename(fresh, path) == 0 else { throw .last() }
    beforeStep()
    try flush(parent(of: path))
    beforeStep()
    if old >= 0 { try erase(old) }
  }

  /// Removes a file that may be missing.
  public static func remove(_ path: String) throws(SystemFailure) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .last() }
  }

  private static func erase(_ descriptor: Int32) throws(SystemFailure) {
    let length = lseek(descriptor, 0, SEEK_END)
    guard length >= 0 else { throw .last() }
    try DescriptorIO.write([UInt8](repeating: 0, count: Int(length)), to: descriptor, at: 0)
    try DescriptorIO.flush(descriptor)
  }
}
