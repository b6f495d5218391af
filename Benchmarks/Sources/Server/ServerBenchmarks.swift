import CryptoSuite
import Foundation
import SottoProtocol
import Synchronization
import WireFormat

/// `sotto-server` over TLS, with its usual limits: what a message costs it, how long its sender waits, and what an idle stream
/// holds. Clients have many addresses of this machine.
///
/// Times on the wall are those of server and clients on the same machine; the server's processor time is its own.
struct ServerBenchmarks {
  private static let frame = [UInt8](repeating: 9, count: 2_048)
  private static let fanOutRecipientCount = 600

  private let world: ServerWorld

  /// Makes mailboxes for as many idle streams.
  init(streamCount: Int) async throws {
    DescriptorLimit.raise()
    let path = FileManager.default.temporaryDirectory.path + "/sotto-bench-\(UInt64.random(in: 0...UInt64.max))"
    world = try await WorldMaker.make(directory: path, mailboxCount: max(Self.fanOutRecipientCount, streamCount))
  }

  func remove() { try? FileManager.default.removeItem(atPath: world.directory) }

  /// What differs from run to run, and is measured several times.
  func run(_ report: inout Report) async throws {
    let floors = try ServerFloors(frame: Self.frame)
    floors.report(to: &report)
    try await messages(floors, &report)
    try await fanOut(floors, &report)
  }

  /// Sends of one frame to one mailbox each, from so many clients at once.
  private func messages(_ floors: ServerFloors, _ report: inout Report) async throws {
    let process = try ServerProcess(world: world)
    defer { process.stop() }
    let server = process.server
    let empty = try await load(server, clients: 16, count: 4_000) { _ in BenchClient.request([], path: "/v1/health") }
    report.add("tls", "empty request, server's CPU", size: 16, empty.cpu / 1e3, "us")
    for clients in [1, 16, 64, 256] {
      let measured = try await load(server, clients: clients, count: clients == 1 ? 500 : 5_000, sendTo)
      report.add("tls", "accepted messages", size: clients, 1e9 / measured.wall, "/s")
      report.add("tls", "latency, median", size: clients, measured.median / 1e6, "ms")
      report.add("tls", "latency, 99 of 100", size: clients, measured.percentile99 / 1e6, "ms")
      report.add(
        "tls", "message, server's CPU", size: clients, measured.cpu / 1e3, "us", floor: floors.message / 1e3,
        of: ServerFloors.messageNote)
    }
  }

  private func sendTo(_ index: Int) throws -> [UInt8] {
    let recipient = try world.recipient(index)
    return BenchClient.request(Request.send(id: .random(using: SystemRandom()), frame: Self.frame, recipients: [recipient]).encoded)
  }

  /// Sends to 600 mailboxes, each with an open stream: 200 people with three devices.
  private func fanOut(_ floors: ServerFloors, _ report: inout Report) async throws {
    let count = Self.fanOutRecipientCount
    let process = try ServerProcess(world: world)
    defer { process.stop() }
    let server = process.server
    let streams = try await Self.attach(0..<count, server)
    let arrived = Counter()
    let (rounds, round) = AsyncStream<Void>.makeStream()
    let readers = Task {
      await withTaskGroup { group in
        for stream in streams {
          group.addTask {
            while let bytes = try? await stream.message() {
              guard case .envelope(let cursor, _)? = try? ServerMessage(decoding: bytes) else { continue }
              stream.sendMessage(OwnerMessage.acknowledge(cursor: cursor).encoded)
              if arrived.next() % count == 0 { round.yield() }
            }
          }
        }
      }
    }
    let sender = try await server.connect()
    let recipients = try (0..<count).map(world.recipient)
    var iterator = rounds.makeAsyncIterator()
    var accepted: [Double] = []
    var delivered: [Double] = []
    let cpu = server.cpu()
    let roundCount = 10
    for _ in 0..<roundCount {
      let start = wallNanoseconds()
      try await Self.send(Self.frame, to: recipients, on: sender)
      accepted.append(wallNanoseconds() - start)
      _ = await iterator.next()
      delivered.append(wallNanoseconds() - start)
    }
    let used = (server.cpu() - cpu) / Double(roundCount)
    report.add("tls", "send to 600 streams: accepted, median", size: count, Statistics.median(accepted) / 1e6, "ms")
    report.add("tls", "send to 600 streams: all delivered, median", size: count, Statistics.median(delivered) / 1e6, "ms")
    report.add(
      "tls", "send to 600 streams, server's CPU", size: count, used / 1e6, "ms", floor: Double(count) * floors.message / 1e6,
      of: "a recipient: \(ServerFloors.messageNote)")
    for stream in streams { await stream.close() }
    await readers.value
  }

  /// Sends, and sees to it that all accept.
  static func send(_ frame: [UInt8], to recipients: [Recipient], on client: BenchClient) async throws {
    let request = Request.send(id: .random(using: SystemRandom()), frame: frame, recipients: recipients)
    let reply = try await client.exchange(BenchClient.request(request.encoded))
    guard reply.status == 200, try Answer(decoding: reply.body) == .sent([RecipientAnswer](repeating: .accepted, count: recipients.count))
    else { throw BenchmarkError.refused }
  }

  /// Streams that are attached and wait.
  func idle(_ count: Int, _ report: inout Report) async throws {
    let process = try ServerProcess(world: world, settings: ["limits.connections=\(count + 256)"])
    defer { process.stop() }
    let server = process.server
    // What the first connections set up is not counted.
    var streams = try await Self.attach(0..<16, server)
    let (before, cpu) = (server.mebibytes(), server.cpu())
    streams += try await Self.attach(16..<count, server)
    let opened = Double(count - 16)
    report.add("tls", "memory of an idle stream", size: count, (server.mebibytes() - before) * 1_024 / opened, "KiB")
    report.add("tls", "opening a stream, server's CPU", size: count, (server.cpu() - cpu) / opened / 1e3, "us")
    let measured = try await load(server, clients: 16, count: 4_000, sendTo)
    report.add("tls", "beside idle streams: accepted messages", size: count, 1e9 / measured.wall, "/s")
    report.add("tls", "beside idle streams: latency, median", size: count, measured.median / 1e6, "ms")
    report.add("tls", "beside idle streams: latency, 99 of 100", size: count, measured.percentile99 / 1e6, "ms")
    report.add("tls", "beside idle streams: message, server's CPU", size: count, measured.cpu / 1e3, "us")
    guard streams.allSatisfy({ !$0.isClosed }) else { throw BenchmarkError.refused }
    for stream in streams { await stream.close() }
  }

  /// Opens streams, some tens at a time, from addresses that twenty share.
  private static func attach(_ indices: Range<Int>, _ server: ServerUnderTest) async throws -> [BenchClient] {
    var streams: [BenchClient] = []
    for start in stride(from: indices.lowerBound, to: indices.upperBound, by: 64) {
      streams += try await withThrowingTaskGroup(of: BenchClient.self) { group in
        for index in start..<min(indices.upperBound, start + 64) {
          group.addTask { try await server.attach(index, from: Loopback.address(10, index / 20)) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
    }
    return streams
  }

  // MARK: Load

  private struct Measured {
    /// Nanoseconds for one request.
    var wall: Double
    var cpu: Double
    /// Nanoseconds that a client waits.
    var median: Double
    var percentile99: Double
  }

  private func load(
    _ server: ServerUnderTest, clients clientCount: Int, count: Int, _ make: (Int) throws -> [UInt8]
  ) async throws -> Measured {
    var clients: [BenchClient] = []
    // Each from an address of its own, fresh each time: none may ask more than its share.
    let base = Int.random(in: 0..<40_000)
    for index in 0..<clientCount { clients.append(try await server.connect(Loopback.address(20, base + index))) }
    // Handshakes are done before the clock starts.
    for client in clients { _ = try await client.exchange(BenchClient.request([], path: "/v1/health")) }
    let requests = try (0..<count).map(make)
    let cpu = server.cpu()
    let wall = wallNanoseconds()
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
      for (number, client) in clients.enumerated() {
        group.addTask {
          var latencies: [Double] = []
          for index in stride(from: number, to: requests.count, by: clientCount) {
            let start = wallNanoseconds()
            guard try await client.exchange(requests[index]).status == 200 else { throw BenchmarkError.refused }
            latencies.append(wallNanoseconds() - start)
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let result = Measured(
      wall: (wallNanoseconds() - wall) / Double(count), cpu: (server.cpu() - cpu) / Double(count),
      median: Statistics.median(latencies), percentile99: Statistics.percentile(latencies, 0.99))
    for client in clients { await client.close() }
    return result
  }
}

/// Counts from anywhere.
private final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
