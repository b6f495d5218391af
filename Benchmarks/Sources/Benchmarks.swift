import CryptoSuite
import Glibc

/// benchmarks [--json | --markdown] [--quick] [--large] [AREA...] [SIZE...]
///
///   --quick      one pass instead of four
///   --large      what takes minutes too: how commits grow in groups that change in different ways
///   AREA         mls, xwing, frame, server, tls, hostile or refusals; all but the last two without one
///   SIZE         members of a group, or idle streams; without one, those of docs/performance.md
///   ATTACK       one of those of docs/hostile-peers.md; all without one
@main
struct Benchmarks {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.count == 4, arguments[0] == AttackProcess.flag, let port = Int(arguments[2]) {
      return try await AttackProcess.run(arguments[1], port: port, worldFile: arguments[3])
    }
    let areas = ["mls", "xwing", "frame", "server", "tls", "hostile", "refusals"]
    let attacks = Attack.all.map(\.name)
    let sizes = arguments.compactMap(Int.init)
    let words = arguments.filter { Int($0) == nil }
    guard words.allSatisfy({ (["--json", "--markdown", "--quick", "--large"] + areas + attacks).contains($0) }),
      sizes.allSatisfy({ $0 >= 2 })
    else {
      print("usage: benchmarks [--json | --markdown] [--quick] [--large] [\(areas.joined(separator: " | "))]... [SIZE | ATTACK]...")
      print("attacks: \(attacks.joined(separator: " "))")
      exit(2)
    }
    let chosen = areas.filter(arguments.contains)
    func wants(_ area: String) -> Bool { chosen.isEmpty ? !["hostile", "refusals"].contains(area) : chosen.contains(area) }
    let isQuick = arguments.contains("--quick")
    let suites: [(area: String, suite: CipherSuite, sizes: [Int])] = [
      ("mls", .mls128X25519AES128SHA256Ed25519, [2, 100, 1_000, 5_000, 10_000]),
      ("xwing", .sottoXWing, [2, 50, 256]),
    ]
    var report = Report()
    var groups: [(suite: CipherSuite, area: String, benchmarks: GroupBenchmarks)] = []
    for (area, suite, usual) in suites where wants(area) {
      for size in sizes.isEmpty ? usual : sizes {
        let benchmarks = try GroupBenchmarks(area: area, suite: suite, count: size, milestones: size == 5_000 ? [51, 500] : [])
        try benchmarks.reportSizes(&report)
        groups.append((suite, area, benchmarks))
      }
    }
    if arguments.contains("--large"), wants("mls") { try ChurnBenchmarks.run(&report) }
    let streamCounts = sizes.isEmpty ? [1_000, 10_000] : sizes
    let server = wants("tls") ? try await ServerBenchmarks(streamCount: streamCounts.max() ?? 0) : nil
    defer { server?.remove() }
    for _ in 0..<(isQuick ? 1 : 4) {
      for (area, suite, _) in suites where wants(area) {
        for group in groups where group.area == area {
          // Anew for each, for the machine's speed changes with what else runs on it.
          let floors = try Floors(suite)
          floors.report(to: &report, area: area)
          try group.benchmarks.reportTimes(floors, &report)
        }
      }
      if wants("frame") { try FrameBenchmarks.run(&report) }
      if wants("server") { try await MailboxBenchmarks.run(&report) }
      try await server?.run(&report)
    }
    if let server {
      for count in streamCounts { try await server.idle(count, &report) }
    }
    if wants("hostile") { try await HostilePeers.run(&report, only: attacks.filter(words.contains)) }
    if wants("refusals") { try await RefusalTiming.run(&report, isQuick: isQuick) }
    if arguments.contains("--json") {
      report.printJSON()
    } else if arguments.contains("--markdown") {
      report.printMarkdown()
    } else {
      report.printTable()
    }
  }
}
