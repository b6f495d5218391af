import MailboxClient
import SottoProtocol
import WireFormat

/// Asks a server about objects over a connection of its own, and asks again when the connection is lost.
struct ObjectLine: Sendable {
  /// How long nothing may succeed before it is given up.
  let patience: Duration
  let connection: ServerConnection

  /// Every request about objects may be repeated, whatever became of the one before.
  ///
  /// - Throws: `.server`, `.cancelled`.
  func ask(_ request: ObjectRequest) async throws(SottoError) -> Answer {
    let bytes = Request.object(request).encoded
    let end = ContinuousClock.now + patience
    var pause = Duration.milliseconds(100)
    while true {
      let problem: ServerProblem
      do throws(ClientError) {
        let answer = try Self.answer(try await connection.call(bytes))
        guard answer == .busy else { return answer }
        problem = .refusing
      } catch {
        problem = ServerProblem(error)
      }
      guard !Task.isCancelled else { throw .cancelled }
      // What is malformed today is malformed for ever.
      guard problem != .notUnderstood, ContinuousClock.now + pause < end else { throw .server(problem) }
      do { try await Task.sleep(for: pause) } catch { throw .cancelled }
      pause = min(pause * 2, .seconds(5))
    }
  }

  private static func answer(_ bytes: [UInt8]) throws(ClientError) -> Answer {
    do { return try Answer(decoding: bytes) } catch { throw .unacceptableReply }
  }
}

extension Sotto {
  /// Connects, and gives a line to a server once it has proven who it is.
  func objectLine(to server: PublicKey32, patience: Duration) async throws(SottoError) -> ObjectLine {
    connect()
    let connection = try await wait(patience) { (sotto, _) throws(SottoError) -> ServerConnection? in
      for (address, found) in sotto.servers where address.serverKey == server && found.session.takesCalls {
        return found.wire.fileConnection()
      }
      try sotto.requireReachable(server)
      return nil
    }
    return ObjectLine(patience: patience, connection: connection)
  }
}
