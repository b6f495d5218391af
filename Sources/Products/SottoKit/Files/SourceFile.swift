import Foundation
import SystemFiles

/// A file that is read to be sent.
final class SourceFile: Sendable {
  let byteCount: UInt64
  private let descriptor: Int32
  private let changedAt: [Int]

  /// - Throws: `.unreadable`, `.notAFile`.
  init(_ path: String) throws(FileProblem) {
    // Without waiting for a pipe's other end. `unsafe`: the string is lent to the system as a C string for the duration of the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(errno: errno) }
    do throws(FileProblem) {
      let status = try Self.status(descriptor)
      guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
      byteCount = UInt64(clamping: status.st_size)
      changedAt = Self.times(status)
    } catch {
      _ = close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  deinit { _ = close(descriptor) }

  /// Whether somebody has written to it since it was opened.
  var hasChanged: Bool {
    guard let status = try? Self.status(descriptor) else { return true }
    return UInt64(clamping: status.st_size) != byteCount || Self.times(status) != changedAt
  }

  /// - Throws: `.changed` when it has become shorter, `.unreadable`.
  func read(at offset: UInt64, count: Int) throws(FileProblem) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = try DescriptorIO.read(descriptor, at: offset, count: count) } catch { throw .unreadable(errno: error.errno) }
    guard bytes.count == count else { throw .changed }
    return bytes
  }

  private static func status(_ descriptor: Int32) throws(FileProblem) -> stat {
    var status = stat()
    // `unsafe`: the system writes the value during the call.
    guard unsafe fstat(descriptor, &status) == 0 else { throw .unreadable(errno: errno) }
    return status
  }

  private static func times(_ status: stat) -> [Int] {
    #if canImport(Darwin)
      [status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec]
    #else
      [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    #endif
  }
}
