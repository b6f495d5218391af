import CryptoSuite
import Glibc

/// benchmarks [--json | --markdown] [--quick] [--large] [AREA...] [SIZE...]
///
///   --quick      one pass instead of four
///   --large      what takes minutes too: how commits grow in groups that change in different ways
///   AREA         mls, xwing, frame, server, tls or hostile; all but hostile without one
///   SIZE         members of a group, or idle streams; without one, those of docs/performance.md
@main
struct Benchmarks {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.count == 4, arguments[0] == BenchServer.flag, let count = Int(arguments[2]) {
      return try await BenchServer.run(directory: arguments[1], mailboxCount: count, isLimited: arguments[3] == "limited")
    }
    let areas = ["mls", "xwing", "frame", "server", "tls", "hostile"]
    let sizes = arguments.compactMap(Int.init)
    let words = arguments.filter { Int($0) == nil }
    guard words.allSatisfy({ (["--json", "--markdown", "--quick", "--large"] + areas).contains($0) }), sizes.allSatisfy({ $0 >= 2 })
    else {
      print("usage: benchmarks [--json | --markdown] [--quick] [--large] [\(areas.joined(separator: " | "))]... [SIZE]...")
      exit(2)
    }
    let chosen = areas.filter(arguments.contains)
    func wants(_ area: String) -> Bool { chosen.isEmpty || chosen.contains(area) }
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
    if chosen.contains("hostile") { try await HostilePeers.run(&report) }
    if arguments.contains("--large"), wants("mls") { try ChurnBenchmarks.run(&report) }
    for _ in 0..<(arguments.contains("--quick") ? 1 : 4) {
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
      if wants("tls") { try await ServerBenchmarks.run(&report, connectionCounts: sizes.isEmpty ? [1_000, 10_000] : sizes) }
    }
    if arguments.contains("--json") {
      report.printJSON()
    } else if arguments.contains("--markdown") {
      report.printMarkdown()
    } else {
      report.printTable()
    }
  }
}
