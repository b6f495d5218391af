import Foundation
import Glibc

/// What a request and its answer cost whoever answers, when nothing is done but to read and to write: over a pair of local
/// sockets, which cost less than TCP.
enum SocketExchange {
  private static let count = 5_000

  /// CPU time of the answering thread for one exchange, the least of some runs.
  static func nanoseconds(requestByteCount: Int, replyByteCount: Int) throws -> Double {
    var ends: [Int32] = [-1, -1]
    guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { throw BenchmarkError.refused }
    let (server, client) = (ends[0], ends[1])
    defer { close(server) }
    let runs = 5
    Thread.detachNewThread {
      defer { close(client) }
      for _ in 0..<runs * count where !(send(requestByteCount, to: client) && receive(replyByteCount, from: client)) { return }
    }
    var shortest = Double.infinity
    for _ in 0..<runs {
      let start = threadNanoseconds()
      for _ in 0..<count {
        guard receive(requestByteCount, from: server), send(replyByteCount, to: server) else { throw BenchmarkError.refused }
      }
      shortest = min(shortest, (threadNanoseconds() - start) / Double(count))
    }
    return shortest
  }

  private static func send(_ byteCount: Int, to descriptor: Int32) -> Bool {
    let bytes = [UInt8](repeating: 1, count: byteCount)
    return unsafe write(descriptor, bytes, byteCount) == byteCount
  }

  private static func receive(_ byteCount: Int, from descriptor: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    return unsafe recv(descriptor, &bytes, byteCount, Int32(MSG_WAITALL)) == byteCount
  }
}
