import CryptoSuite
import Foundation
import SottoProtocol
import SystemFiles

/// A file that is being saved: it has another name until it is whole and checked.
///
/// What a cut-off attempt has left goes on from where it ended. It lies beside its destination, so that it can be renamed.
final class PartFile: Sendable {
  private let directory: String
  private let destination: String
  private let path: String
  private let descriptor: Int32

  /// Opens what is there of the attachment, or begins it.
  ///
  /// - Parameter destination: where the file is to be; its directory exists.
  /// - Throws: `.unwritable`, `.inUse`.
  init(for attachment: Attachment, at destination: String) throws(FileProblem) {
    let slash = destination.lastIndex(of: "/")
    directory = slash.map { $0 == destination.startIndex ? "/" : String(destination[..<$0]) } ?? "."
    let name = slash.map { String(destination[destination.index(after: $0)...]) } ?? destination
    // Of each attachment its own, so that two of one name do not mix.
    let digest = HashAlgorithm.sha256.hash(Array("sotto part 1".utf8) + attachment.object.bytes)
    let mark = Base64URL.encode(Array(digest.prefix(6)))
    let part = "\(directory)/.\(Self.shortened(name)).\(mark).part"
    for _ in 0..<Self.attemptCount {
      let opened = try Self.openLocked(part)
      do throws(FileProblem) {
        if try Self.isAlone(opened, at: part) {
          self.destination = destination
          path = part
          descriptor = opened
          return
        }
      } catch {
        _ = close(opened)
        throw error
      }
      _ = close(opened)
    }
    throw .inUse
  }

  /// Others who finish or discard the same file at the same moment are few.
  private static let attemptCount = 8

  /// - Throws: `.unwritable`, `.inUse`.
  private static func openLocked(_ path: String) throws(FileProblem) -> Int32 {
    // `unsafe`, here and below: a string is lent to the system as a C string for the duration of the call.
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode_t(0o600))
    guard descriptor >= 0 else { throw .unwritable(errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      _ = close(descriptor)
      throw .inUse
    }
    return descriptor
  }

  /// Whether what was opened has this name and no other.
  ///
  /// A crash between the two steps of `finish` leaves the finished file with both names: to write to it would be to write to what its owner
  /// has by now. So the name is taken away from it. And whoever had the lock before may have finished since it was opened: then it has the
  /// name no more.
  private static func isAlone(_ descriptor: Int32, at path: String) throws(FileProblem) -> Bool {
    var (opened, named) = (stat(), stat())
    // The system writes the values during the calls.
    guard unsafe fstat(descriptor, &opened) == 0 else { throw .unwritable(errno: errno) }
    guard unsafe lstat(path, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev else { return false }
    guard opened.st_mode & S_IFMT == S_IFREG, opened.st_nlink > 1 else { return true }
    guard unsafe unlink(path) == 0 else { throw .unwritable(errno: errno) }
    return false
  }

  deinit { _ = close(descriptor) }

  /// Room in a name for the dot, the mark and the ending.
  private static func shortened(_ name: String) -> String {
    var name = name
    while name.utf8.count > Limits.fileNameByteCount - 16 { name.removeLast() }
    return name
  }

  /// Bytes that are there.
  var byteCount: UInt64 {
    get throws(FileProblem) {
      var status = stat()
      // The system writes the value during the call.
      guard unsafe fstat(descriptor, &status) == 0 else { throw .unwritable(errno: errno) }
      guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
      return UInt64(clamping: status.st_size)
    }
  }

  func read(at offset: UInt64, count: Int) throws(FileProblem) -> [UInt8] {
    do { return try DescriptorIO.read(descriptor, at: offset, count: count) } catch { throw .unwritable(errno: error.errno) }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws(FileProblem) {
    do { try DescriptorIO.write(bytes, to: descriptor, at: offset) } catch { throw .unwritable(errno: error.errno) }
  }

  func truncate(to count: UInt64) throws(FileProblem) {
    guard ftruncate(descriptor, off_t(clamping: count)) == 0 else { throw .unwritable(errno: errno) }
  }

  /// Gives the file its name, when it is on disk.
  ///
  /// - Parameters:
  ///   - replacing: whether a file that has the name gives way.
  ///   - atTwoNames: called at the moment when the file has both names; for tests.
  /// - Throws: `.exists`, `.unwritable`.
  func finish(replacing: Bool, atTwoNames: () -> Void = {}) throws(FileProblem) {
    guard fsync(descriptor) == 0 else { throw .unwritable(errno: errno) }
    if replacing {
      guard unsafe rename(path, destination) == 0 else { throw .unwritable(errno: errno) }
    } else if unsafe link(path, destination) == 0 {
      // A link is made only where nothing is, however many try at once.
      atTwoNames()
      _ = unsafe unlink(path)
    } else {
      switch errno {
      case EEXIST: throw .exists
      // A file system without links: nothing there makes a name only if it is free.
      case EPERM, ENOTSUP, EOPNOTSUPP, EMLINK, ENOSYS:
        guard unsafe access(destination, F_OK) != 0 else { throw .exists }
        guard unsafe rename(path, destination) == 0 else { throw .unwritable(errno: errno) }
      default: throw .unwritable(errno: errno)
      }
    }
    let folder = unsafe open(directory, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    defer { _ = close(folder) }
    _ = fsync(folder)
  }

  /// Removes what is there.
  func discard() { _ = unsafe unlink(path) }
}
