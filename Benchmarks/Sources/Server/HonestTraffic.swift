import CryptoSuite
import Foundation
import SottoProtocol
import Synchronization
import WireFormat

/// What honest clients notice: some who send short texts, and newcomers who connect.
final class HonestTraffic: Sendable {
  struct Sample: Sendable {
    /// When it began, and how long it took, in nanoseconds.
    var start: Double
    var latency: Double
  }

  private struct State {
    var sends: [Sample] = []
    var visits: [Sample] = []
    var failures: [Double] = []
    var isOver = false
  }

  private static let senderCount = 4

  private let server: ServerUnderTest
  private let state = Mutex(State())

  init(_ server: ServerUnderTest) { self.server = server }

  private var isOver: Bool { state.withLock { $0.isOver } }

  func start() {
    for number in 0..<Self.senderCount {
      Task {
        var client: BenchClient?
        var index = number
        while !isOver {
          let start = wallNanoseconds()
          do {
            let current: BenchClient
            if let client, !client.isClosed { current = client } else { current = try await server.connect(Loopback.address(1, number)) }
            client = current
            try await send(index, current)
            state.withLock { $0.sends.append(Sample(start: start, latency: wallNanoseconds() - start)) }
          } catch {
            client = nil
            state.withLock { $0.failures.append(start) }
          }
          index += Self.senderCount
          try? await Task.sleep(for: .milliseconds(8))
        }
        await client?.close()
      }
    }
    Task {
      var index = 0
      while !isOver {
        let start = wallNanoseconds()
        do {
          let client = try await server.connect(Loopback.address(2, index))
          guard try await client.exchange(BenchClient.request([], path: "/v1/health")).status == 200 else { throw BenchmarkError.refused }
          state.withLock { $0.visits.append(Sample(start: start, latency: wallNanoseconds() - start)) }
          await client.close()
        } catch {
          state.withLock { $0.failures.append(start) }
        }
        index += 1
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  func stop() { state.withLock { $0.isOver = true } }

  private func send(_ index: Int, _ client: BenchClient) async throws {
    let frame = [UInt8](repeating: 1, count: 512)
    // Not those that attackers own.
    let recipient = try server.world.recipient(server.world.mailboxes.count - 1 - index % 64)
    let request = Request.send(id: .random(using: SystemRandom()), frame: frame, recipients: [recipient])
    let reply = try await client.exchange(BenchClient.request(request.encoded))
    guard reply.status == 200, try Answer(decoding: reply.body) == .sent([.accepted]) else { throw BenchmarkError.refused }
  }

  /// What was noticed between two moments.
  func notice(from start: Double, to end: Double) -> Notice {
    func during(_ samples: [Sample]) -> [Double] { samples.filter { $0.start >= start && $0.start < end }.map { $0.latency / 1e6 } }
    return state.withLock { state in
      Notice(
        sends: during(state.sends), visits: during(state.visits),
        failureCount: state.failures.filter { $0 >= start && $0 < end }.count)
    }
  }

  struct Notice {
    /// Milliseconds each.
    var sends: [Double]
    var visits: [Double]
    var failureCount: Int
  }
}
