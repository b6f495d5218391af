import CryptoSuite
import Foundation
import SottoProtocol
import Synchronization
import WireFormat

/// A real server process over TLS: what a message costs it, how long its sender waits, and what an idle stream holds.
///
/// Times on the wall are those of server and clients on the same machine; the server's processor time is its own.
struct ServerBenchmarks {
  private static let frame = [UInt8](repeating: 9, count: 2_048)
  private static let fanOutRecipientCount = 600

  static func run(_ report: inout Report, connectionCounts: [Int]) async throws {
    let floors = try ServerFloors(frame: frame)
    floors.report(to: &report)
    try await messages(floors, &report)
    try await fanOut(floors, &report)
    for count in connectionCounts { try await idle(count, &report) }
  }

  /// Sends of one frame to one mailbox each, from so many clients at once.
  private static func messages(_ floors: ServerFloors, _ report: inout Report) async throws {
    let process = try ServerProcess(mailboxCount: 256)
    defer { process.stop() }
    let server = process.server
    let empty = try await load(server, clients: 16, count: 4_000) { _ in BenchClient.request([], path: "/v1/health") }
    report.add("tls", "empty request, server's CPU", size: 16, empty.cpu / 1e3, "us")
    for clients in [1, 16, 64, 256] {
      let count = clients == 1 ? 500 : 6_000
      let measured = try await load(server, clients: clients, count: count) { index in
        server.recipient(index).map {
          BenchClient.request(Request.send(id: .random(using: SystemRandom()), frame: frame, recipients: [$0]).encoded)
        }
      }
      report.add("tls", "accepted messages", size: clients, 1e9 / measured.wall, "/s")
      report.add("tls", "latency, median", size: clients, measured.median / 1e6, "ms")
      report.add("tls", "latency, 99 of 100", size: clients, measured.percentile99 / 1e6, "ms")
      report.add(
        "tls", "message, server's CPU", size: clients, measured.cpu / 1e3, "us", floor: (floors.seal + floors.insert + floors.record) / 1e3,
        of: "1 HPKE seal, 1 row of a batched insert, 1 TLS record each way")
    }
  }

  /// Sends to 600 mailboxes, each with an open stream: 200 people with three devices.
  private static func fanOut(_ floors: ServerFloors, _ report: inout Report) async throws {
    let count = fanOutRecipientCount
    let process = try ServerProcess(mailboxCount: count)
    defer { process.stop() }
    let server = process.server
    let arrived = Counter()
    let streams = try await withThrowingTaskGroup(of: BenchClient.self) { group in
      for index in 0..<count { group.addTask { try await server.attach(index) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
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
    let sender = try await BenchClient.connect(port: server.port)
    let recipients = (0..<count).compactMap(server.recipient)
    var iterator = rounds.makeAsyncIterator()
    var accepted: [Double] = []
    var delivered: [Double] = []
    let cpu = server.cpu()
    let roundCount = 12
    for _ in 0..<roundCount {
      let request = BenchClient.request(Request.send(id: .random(using: SystemRandom()), frame: frame, recipients: recipients).encoded)
      let start = wallNanoseconds()
      let reply = try await sender.exchange(request)
      accepted.append(wallNanoseconds() - start)
      guard try Answer(decoding: reply.body) == .sent([RecipientAnswer](repeating: .accepted, count: count)) else {
        throw BenchmarkError.refused
      }
      _ = await iterator.next()
      delivered.append(wallNanoseconds() - start)
    }
    // Acknowledgements included: each takes its envelope off the disk again.
    let used = (server.cpu() - cpu) / Double(roundCount)
    report.add("tls", "send to 600 streams: accepted, median", size: count, median(accepted) / 1e6, "ms")
    report.add("tls", "send to 600 streams: all delivered, median", size: count, median(delivered) / 1e6, "ms")
    report.add(
      "tls", "send to 600 streams, server's CPU", size: count, used / 1e6, "ms",
      floor: Double(count) * (floors.seal + floors.insert + floors.record) / 1e6,
      of: "a recipient: 1 HPKE seal, 1 row of a batched insert, 1 TLS record each way")
    for stream in streams { await stream.close() }
    await readers.value
  }

  /// Streams that are attached and wait.
  private static func idle(_ count: Int, _ report: inout Report) async throws {
    BenchServer.raiseDescriptorLimit()
    let process = try ServerProcess(mailboxCount: count)
    defer { process.stop() }
    let server = process.server
    // One before the measurement, so that what the first connection sets up is not counted.
    let first = try await server.attach(0)
    let before = server.residentKibibytes()
    let cpu = server.cpu()
    var streams: [BenchClient] = []
    for start in stride(from: 1, to: count, by: 64) {
      streams += try await withThrowingTaskGroup(of: BenchClient.self) { group in
        for index in start..<min(count, start + 64) { group.addTask { try await server.attach(index) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
    }
    let opened = Double(max(1, streams.count))
    report.add("tls", "memory of an idle stream", size: count, (server.residentKibibytes() - before) / opened, "KiB")
    report.add("tls", "opening a stream, server's CPU", size: count, (server.cpu() - cpu) / opened / 1e3, "us")
    let measured = try await load(server, clients: 16, count: 2_000) { index in
      server.recipient(index).map {
        BenchClient.request(Request.send(id: .random(using: SystemRandom()), frame: frame, recipients: [$0]).encoded)
      }
    }
    report.add("tls", "accepted messages beside idle streams", size: count, 1e9 / measured.wall, "/s")
    let closed = streams.filter(\.isClosed).count
    guard closed == 0 else { throw BenchmarkError.refused }
    for stream in streams { await stream.close() }
    await first.close()
  }

  // MARK: Load

  struct Measured {
    /// Nanoseconds for one request.
    var wall: Double
    var cpu: Double
    /// Nanoseconds that a client waits.
    var median: Double
    var percentile99: Double
  }

  static func load(
    _ server: ServerUnderTest, clients clientCount: Int, count: Int, _ make: (Int) -> [UInt8]?
  ) async throws -> Measured {
    var clients: [BenchClient] = []
    for _ in 0..<clientCount { clients.append(try await BenchClient.connect(port: server.port)) }
    // Handshakes are done and statements prepared before the clock starts.
    for client in clients { _ = try await client.exchange(BenchClient.request([], path: "/v1/health")) }
    let requests = (0..<count).compactMap(make)
    let cpu = server.cpu()
    let wall = wallNanoseconds()
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
      for (number, client) in clients.enumerated() {
        group.addTask {
          var latencies: [Double] = []
          for index in stride(from: number, to: requests.count, by: clientCount) {
            let start = wallNanoseconds()
            let reply = try await client.exchange(requests[index])
            guard reply.status == 200 else { throw BenchmarkError.refused }
            latencies.append(wallNanoseconds() - start)
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let result = Measured(
      wall: (wallNanoseconds() - wall) / Double(count), cpu: (server.cpu() - cpu) / Double(count), median: median(latencies),
      percentile99: percentile(latencies, 0.99))
    for client in clients { await client.close() }
    return result
  }

  static func median(_ values: [Double]) -> Double { percentile(values, 0.5) }

  static func percentile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]
  }
}

/// What a message costs at least, in nanoseconds of CPU.
struct ServerFloors {
  /// One HPKE seal of the frame.
  let seal: Double
  /// One row in a transaction of two hundred.
  let insert: Double
  /// The frame through the AEAD of TLS once, and an answer's smallest record.
  let record: Double

  init(frame: [UInt8]) throws {
    let random = SystemRandom()
    let pair = FirstContact.suite.generateKeyPair()
    seal = try best { keep(try FirstContact.suite.seal(frame, to: pair.publicKey, info: [1], aad: random.bytes(16))) }
    let file = FileManager.default.temporaryDirectory.appending(path: "sotto-floor-\(UInt64.random(in: 0...UInt64.max)).sqlite")
    let raw = try RawInserts(path: file.path)
    var inserts: [Double] = []
    for _ in 0..<5 {
      let start = processNanoseconds()
      _ = try raw.insert(2_000, batch: 200)
      inserts.append((processNanoseconds() - start) / 2_000)
    }
    insert = inserts.min() ?? 0
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.path + suffix) }
    let key = Secret(randomByteCount: 16, using: random)
    let nonce = random.bytes(12)
    let record = try AEADAlgorithm.aes128GCM.seal(frame, key: key, nonce: nonce, aad: [])
    let small = [UInt8](repeating: 1, count: 100)
    self.record = try best {
      keep(try AEADAlgorithm.aes128GCM.open(record, key: key, nonce: nonce, aad: []))
      keep(try AEADAlgorithm.aes128GCM.seal(small, key: key, nonce: nonce, aad: []))
    }
  }

  func report(to report: inout Report) {
    report.add("tls", "floor: HPKE seal of 2 KiB", size: 1, seal / 1e3, "us")
    report.add("tls", "floor: row of a batched insert", size: 1, insert / 1e3, "us")
    report.add("tls", "floor: TLS record each way", size: 1, record / 1e3, "us")
  }
}

/// Counts from anywhere.
private final class Counter: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}
