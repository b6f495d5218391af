import Foundation
import SottoProtocol
import WireFormat

/// What attacks cost a server, and what honest clients notice of them: `sotto-server` with its usual limits, attackers of many
/// addresses in a process of their own, honest clients in this one.
struct HostilePeers {
  private static let mailboxCount = 512
  /// Attackers are slow readers of these, with so many envelopes of so many bytes in each.
  private static let fullMailboxCount = 200
  private static let waitingFrames = (count: 4, byteCount: 262_144)
  /// Attackers read a log of these: of each page as much as a page holds, in entries and in bytes.
  private static let logEntries = (count: 1_024, byteCount: 4_096)
  /// What a server is held to while it is attacked: milliseconds in which 99 of 100 honest sends and new connections are served, and
  /// memory. That is what bodies, replies and messages may take (`limits.held-bytes`), copies of sends, and 40 KiB a connection.
  private static let patience = 1_000.0
  private static func memoryBound(_ connectionCount: Int) -> Double { 256 + 64 + 16 + Double(connectionCount) * 40 / 1_024 }

  static func run(_ report: inout Report, only names: [String]) async throws {
    DescriptorLimit.raise()
    let path = FileManager.default.temporaryDirectory.path + "/sotto-hostile-\(UInt64.random(in: 0...UInt64.max))"
    defer { for suffix in ["", ".json"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
    let world = try await WorldMaker.make(directory: path, mailboxCount: mailboxCount)
    try JSONEncoder().encode(world).write(to: URL(filePath: path + ".json"))
    var table = Table(
      title: "Hostile peers",
      columns: [
        "what they do", "connections (opened in all)", "addresses", "server's memory before, most, after, MiB", "server's CPU, of one core",
        "send: median, 99 of 100, ms, without", "with", "connect: median, 99 of 100, ms, without", "with", "failures",
      ])
    var breaches = Table(title: "Hostile peers: what went beyond its bound", columns: ["what they do", "bound", "measured"])
    for attack in Attack.all where names.isEmpty || names.contains(attack.name) {
      let (row, broken) = try await run(attack, world)
      table.rows.append(row)
      breaches.rows += broken
    }
    if breaches.rows.isEmpty { breaches.rows.append(["nothing", "", ""]) }
    report.add(table)
    report.add(breaches)
  }

  private static func run(_ attack: Attack, _ world: ServerWorld) async throws -> (row: [String], broken: [[String]]) {
    let process = try ServerProcess(world: world)
    defer { process.stop() }
    let server = process.server
    switch attack.name {
    case "slow-readers": try await fillMailboxes(server)
    case "read-log": try await fillLog(server)
    default: break
    }
    let honest = HonestTraffic(server)
    honest.start()
    defer { honest.stop() }
    // Connections are made and statements prepared by then.
    try await Task.sleep(for: .milliseconds(500))
    let quiet = wallNanoseconds()
    try await Task.sleep(for: .milliseconds(2_500))
    let before = server.mebibytes()
    let start = wallNanoseconds()
    let cpu = server.cpu()
    let attackers = try AttackProcess.start(attack, on: server, worldFile: world.directory + ".json")
    var most = before
    // Ten thousand handshakes take their time.
    let duration = attack.count >= 4_000 ? 12e9 : 5e9
    while wallNanoseconds() - start < duration {
      try await Task.sleep(for: .milliseconds(20))
      most = max(most, server.mebibytes())
    }
    let end = wallNanoseconds()
    let used = (server.cpu() - cpu) / (end - start)
    attackers.endInput()
    let opened = (try? attackers.readLine()) ?? "-"
    attackers.stop()
    try await Task.sleep(for: .seconds(2))
    let without = honest.notice(from: quiet, to: start)
    let with = honest.notice(from: start, to: end)
    var broken: [[String]] = []
    for (name, latencies) in [("send", with.sends), ("connect", with.visits)] where !latencies.isEmpty {
      let late = Statistics.percentile(latencies, 0.99)
      if late > patience { broken.append([attack.title, "\(name): 99 of 100 within \(Report.text(patience)) ms", Report.text(late)]) }
    }
    let bound = memoryBound(attack.count)
    if most > bound { broken.append([attack.title, "\(Report.text(bound)) MiB of memory", Report.text(most)]) }
    if with.failureCount > 0 { broken.append([attack.title, "no honest failure", "\(with.failureCount)"]) }
    let row = [
      attack.title, "\(Report.grouped(attack.count)) (\(Int(opened).map(Report.grouped) ?? opened))", "\(attack.addressCount)",
      [before, most, server.mebibytes()].map { Report.text($0) }.joined(separator: ", "), Report.text(used),
      pair(without.sends), pair(with.sends), pair(without.visits), pair(with.visits),
      "\(with.failureCount) of \(with.sends.count + with.visits.count + with.failureCount)",
    ]
    return (row, broken)
  }

  private static func pair(_ latencies: [Double]) -> String {
    latencies.isEmpty ? "-" : "\(Report.text(Statistics.median(latencies))), \(Report.text(Statistics.percentile(latencies, 0.99)))"
  }

  private static func fillMailboxes(_ server: ServerUnderTest) async throws {
    for number in 0..<waitingFrames.count {
      for start in stride(from: 0, to: fullMailboxCount, by: 20) {
        let client = try await server.connect(Loopback.address(3, number))
        try await ServerBenchmarks.send(
          [UInt8](repeating: 5, count: waitingFrames.byteCount), to: try (start..<start + 20).map(server.world.recipient), on: client)
        await client.close()
      }
    }
  }

  private static func fillLog(_ server: ServerUnderTest) async throws {
    guard let handle = HandleID(server.world.openLog), let writeKey = Permission(server.world.openLogKey) else {
      throw BenchmarkError.refused
    }
    let client = try await server.connect(Loopback.address(3, 0))
    for slot in 0..<logEntries.count {
      let entry = [UInt8](repeating: UInt8(truncatingIfNeeded: slot), count: logEntries.byteCount)
      let append = LogAppend(
        handle: handle, slot: UInt64(slot), writeKey: writeKey, entry: entry, rotation: nil, groupInfo: [], recipients: [])
      let reply = try await client.exchange(BenchClient.request(Request.append(append).encoded))
      guard reply.status == 200, try Answer(decoding: reply.body) == .appended([]) else { throw BenchmarkError.refused }
    }
    await client.close()
  }
}
