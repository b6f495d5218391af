import CryptoSuite
import Glibc

/// benchmarks [--json | --markdown] [--quick] [--large] [AREA...]
///
///   --quick      one pass instead of five, and no group above 1,000
///   --large      what takes minutes too: how commits grow in groups that change in different ways
///   AREA         mls, xwing, frame or server; all without one
@main
struct Benchmarks {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let areas = ["mls", "xwing", "frame", "server"]
    guard arguments.allSatisfy({ (["--json", "--markdown", "--quick", "--large"] + areas).contains($0) }) else {
      print("usage: benchmarks [--json | --markdown] [--quick] [--large] [\(areas.joined(separator: " | "))]...")
      exit(2)
    }
    let chosen = areas.filter(arguments.contains)
    func wants(_ area: String) -> Bool { chosen.isEmpty || chosen.contains(area) }
    let isQuick = arguments.contains("--quick")

    let suites: [(area: String, suite: CipherSuite, sizes: [Int])] = [
      ("mls", .mls128X25519AES128SHA256Ed25519, isQuick ? [2, 100, 1_000] : [2, 100, 1_000, 5_000, 10_000]),
      ("xwing", .sottoXWing, [2, 50, 256]),
    ]
    var report = Report()
    var groups: [(suite: CipherSuite, area: String, benchmarks: GroupBenchmarks)] = []
    for (area, suite, sizes) in suites where wants(area) {
      for size in sizes {
        let benchmarks = try GroupBenchmarks(area: area, suite: suite, count: size, milestones: size == 5_000 ? [51, 500] : [])
        try benchmarks.reportSizes(&report)
        groups.append((suite, area, benchmarks))
      }
    }
    if arguments.contains("--large"), wants("mls") { try ChurnBenchmarks.run(&report) }
    for _ in 0..<(isQuick ? 1 : 5) {
      for (area, suite, _) in suites where wants(area) {
        let floors = try Floors(suite)
        floors.report(to: &report, area: area)
        for group in groups where group.area == area { try group.benchmarks.reportTimes(floors, &report) }
      }
      if wants("frame") { try FrameBenchmarks.run(&report) }
      if wants("server") { try await MailboxBenchmarks.run(&report) }
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
