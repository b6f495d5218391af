import CryptoSuite
import Foundation
import SottoProtocol
import Synchronization
import WireFormat

/// What hostile peers cost a server, and what an honest client notices: many connections of one kind each, over real sockets.
///
/// The bounds of a single peer are off, since all come from one address here: what is measured is what one connection can do.
struct HostilePeers {
  struct Scenario {
    var name: String
    var count: Int
    /// Opens one hostile connection and does its worst.
    var open: @Sendable (ServerUnderTest, Int) async throws -> BenchClient
  }

  static func run(_ report: inout Report) async throws {
    BenchServer.raiseDescriptorLimit()
    for scenario in scenarios { try await run(scenario, &report) }
    try await refusalTiming(&report)
  }

  private static let scenarios = [
    Scenario(name: "half-open: TCP and nothing more", count: 2_000) { server, _ in
      try await BenchClient.connect(port: server.port, isEncrypted: false)
    },
    Scenario(name: "handshake stops after half a hello", count: 2_000) { server, _ in
      let peer = try await BenchClient.connect(port: server.port, isEncrypted: false)
      // A record of 512 bytes of which 100 come.
      try await peer.push([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03] + [UInt8](repeating: 7, count: 100))
      return peer
    },
    Scenario(name: "slowloris: a head that does not end", count: 1_000) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      try await peer.push(Array("GET /v1/health HTTP/1.1\r\nHost: a\r\nX-A: ".utf8) + [UInt8](repeating: 0x61, count: 7_000))
      return peer
    },
    Scenario(name: "a body of 1 MiB less a byte", count: 400) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      let head = "POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"
      try? await peer.push(Array(head.utf8) + [UInt8](repeating: 2, count: (1 << 20) - 1))
      return peer
    },
    Scenario(name: "unproved stream: a frame that does not end", count: 1_000) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      try await peer.upgrade()
      try? await peer.push(BenchClient.frame(2, [UInt8](repeating: 3, count: 300_000)).dropLast())
      return peer
    },
    Scenario(name: "unproved stream: pings", count: 1_000) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      try await peer.upgrade()
      try? await peer.push([UInt8]((0..<2_000).flatMap { _ in BenchClient.frame(9, [UInt8](repeating: 1, count: 100)) }))
      return peer
    },
    Scenario(name: "owner: a frame of 320 KiB less a byte", count: 300) { server, index in
      let peer = try await server.attach(index)
      try? await peer.push(BenchClient.frame(2, [UInt8](repeating: 3, count: 320 << 10)).dropLast())
      return peer
    },
    Scenario(name: "owner: 10,000 pings, answers unread", count: 100) { server, index in
      let peer = try await server.attach(index)
      try await peer.setReading(false)
      peer.send([UInt8]((0..<10_000).flatMap { _ in BenchClient.frame(9, [UInt8](repeating: 1, count: 100)) }))
      return peer
    },
    Scenario(name: "owner: 5,000 acknowledgements of garbage", count: 100) { server, index in
      let peer = try await server.attach(index)
      let frame = BenchClient.frame(2, OwnerMessage.acknowledge(cursor: [UInt8](repeating: 4, count: 36)).encoded)
      peer.send([UInt8]((0..<5_000).flatMap { _ in frame }))
      return peer
    },
    Scenario(name: "requests sent ahead, answers unread", count: 200) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      try await peer.setReading(false)
      peer.send([UInt8]((0..<5_000).flatMap { _ in BenchClient.request([], path: "/v1/health") }))
      return peer
    },
    Scenario(name: "calls of garbage, one after the other", count: 200) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      peer.send(BenchClient.request([UInt8](repeating: 0xee, count: 65_536)))
      return peer
    },
    Scenario(name: "10,000 idle connections", count: 10_000) { server, _ in
      let peer = try await BenchClient.connect(port: server.port)
      _ = try await peer.exchange(BenchClient.request([], path: "/v1/health"))
      return peer
    },
  ]

  private static func run(_ scenario: Scenario, _ report: inout Report) async throws {
    let process = try ServerProcess(mailboxCount: 320)
    defer { process.stop() }
    let server = process.server
    let honest = try await BenchClient.connect(port: server.port)
    let roundTrips = Mutex(0)
    let isOver = Mutex(false)
    // An honest client sends message after message meanwhile; each must be accepted.
    let sender = Task {
      let random = SystemRandom()
      var latencies: [Double] = []
      while !isOver.withLock({ $0 }) {
        guard let recipient = server.recipient(roundTrips.withLock { $0 }) else { throw BenchmarkError.refused }
        let request = Request.send(id: .random(using: random), frame: [UInt8](repeating: 1, count: 512), recipients: [recipient])
        let start = wallNanoseconds()
        let reply = try await honest.exchange(BenchClient.request(request.encoded))
        guard try Answer(decoding: reply.body) == .sent([.accepted]) else { throw BenchmarkError.refused }
        latencies.append(wallNanoseconds() - start)
        roundTrips.withLock { $0 += 1 }
      }
      return latencies
    }
    try await waitForRoundTrips(50, roundTrips)
    let before = server.residentKibibytes()
    let cpu = server.cpu()
    var peers: [BenchClient] = []
    var peak = before
    for start in stride(from: 0, to: scenario.count, by: 50) {
      peers += await withTaskGroup(of: BenchClient?.self) { group in
        for index in start..<min(scenario.count, start + 50) { group.addTask { try? await scenario.open(server, index) } }
        return await group.reduce(into: []) { if let peer = $1 { $0.append(peer) } }
      }
      peak = max(peak, server.residentKibibytes())
    }
    try await waitForRoundTrips(200, roundTrips)
    peak = max(peak, server.residentKibibytes())
    let open = peers.filter { !$0.isClosed }.count
    let during = server.residentKibibytes()
    isOver.withLock { $0 = true }
    let latencies = try await sender.value
    for peer in peers { await peer.close() }
    report.add("hostile", scenario.name + ": opened", size: scenario.count, Double(peers.count), "")
    report.add("hostile", scenario.name + ": open at the end", size: scenario.count, Double(open), "")
    report.add("hostile", scenario.name + ": memory at most, each", size: scenario.count, (peak - before) / Double(scenario.count), "KiB")
    report.add("hostile", scenario.name + ": memory at the end", size: scenario.count, (during - before) / 1_024, "MiB")
    report.add(
      "hostile", scenario.name + ": server's CPU, each", size: scenario.count, (server.cpu() - cpu) / Double(scenario.count) / 1e3, "us")
    report.add("hostile", scenario.name + ": honest sends", size: scenario.count, Double(latencies.count), "")
    report.add(
      "hostile", scenario.name + ": honest latency, 99 of 100", size: scenario.count, ServerBenchmarks.percentile(latencies, 0.99) / 1e6,
      "ms")
  }

  private static func waitForRoundTrips(_ count: Int, _ roundTrips: borrowing Mutex<Int>) async throws {
    let goal = roundTrips.withLock { $0 } + count
    let limit = wallNanoseconds() + 120e9
    while roundTrips.withLock({ $0 }) < goal {
      guard wallNanoseconds() < limit else { throw BenchmarkError.refused }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  /// How long refusals take side by side: who tells them apart learns which mailboxes exist.
  private static func refusalTiming(_ report: inout Report) async throws {
    let process = try ServerProcess(mailboxCount: 8)
    defer { process.stop() }
    let server = process.server
    let client = try await BenchClient.connect(port: server.port)
    let random = SystemRandom()
    let frame = [UInt8](repeating: 1, count: 512)
    guard let known = server.recipient(0) else { throw BenchmarkError.refused }
    var wrongKey: [Double] = []
    var unknown: [Double] = []
    func time(_ recipient: Recipient) async throws -> Double {
      let request = BenchClient.request(Request.send(id: .random(using: random), frame: frame, recipients: [recipient]).encoded)
      let start = wallNanoseconds()
      let reply = try await client.exchange(request)
      let end = wallNanoseconds()
      guard try Answer(decoding: reply.body) == .sent([.refused]) else { throw BenchmarkError.refused }
      return end - start
    }
    for _ in 0..<5_000 {
      wrongKey.append(try await time(Recipient(mailbox: known.mailbox, deliveryKey: .random(using: random))))
      unknown.append(try await time(Recipient(mailbox: .random(using: random), deliveryKey: known.deliveryKey)))
    }
    for (name, values) in [("wrong delivery key", wrongKey), ("unknown mailbox", unknown)] {
      for (part, label) in [(0.1, "10"), (0.5, "50"), (0.9, "90")] {
        report.add("hostile", "refusal of a send, \(name), \(label) of 100", size: 1, ServerBenchmarks.percentile(values, part) / 1e3, "us")
      }
    }
    // The chance that a wrong key took longer than an unknown mailbox: 0.5 when nothing can be told.
    let sorted = unknown.sorted()
    let wins = wrongKey.reduce(0.0) { sum, value in
      var low = 0, high = sorted.count
      while low < high { let middle = (low + high) / 2; if sorted[middle] < value { low = middle + 1 } else { high = middle } }
      return sum + Double(low) / Double(sorted.count)
    }
    report.add("hostile", "refusal of a send: AUC of telling them apart", size: 1, wins / Double(wrongKey.count), "")
  }
}
