import Dispatch
import Foundation

/// Keeps what crosses the plaintext side of TLS in a file, for tests that search it for what must not be there.
final class TapFile: Sendable {
  private let descriptor: Int32
  private let queue = DispatchQueue(label: "tap")

  /// Opens the file, behind what it holds already.
  init(path: String) throws {
    // `unsafe`: the string is lent to the system as a C string for the duration of the call.
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw ServerFailure.cannotWrite("the tap") }
  }

  deinit { _ = Foundation.close(descriptor) }

  /// Called on event loops, which must not wait for a disk.
  func write(_ bytes: [UInt8]) {
    queue.async { [descriptor] in _ = Output.write(bytes, to: descriptor) }
  }

  /// Returns when everything is written.
  func finish() { queue.sync {} }
}
