import CryptoSuite
import Glibc

/// benchmarks [--json] [--quick] [--large] [--only AREA]
///
///   --quick      one pass instead of three
///   --large      groups of 5,000 too
///   --only AREA  mls, xwing, frame or server
@main
struct Benchmarks {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let areas = ["mls", "xwing", "frame", "server"]
    guard arguments.allSatisfy({ (["--json", "--quick", "--large", "--only"] + areas).contains($0) }) else {
      print("usage: benchmarks [--json] [--quick] [--large] [--only \(areas.joined(separator: "|"))]")
      exit(2)
    }
    let chosen = areas.filter(arguments.contains)
    func wants(_ area: String) -> Bool { chosen.isEmpty || chosen.contains(area) }

    let suites: [(area: String, suite: CipherSuite, sizes: [Int])] = [
      ("mls", .mls128X25519AES128SHA256Ed25519, [2, 100, 1_000] + (arguments.contains("--large") ? [5_000] : [])),
      ("xwing", .sottoXWing, [2, 64]),
    ]
    var report = Report()
    for _ in 0..<(arguments.contains("--quick") ? 1 : 3) {
      for (area, suite, sizes) in suites where wants(area) {
        try Floors(suite).report(to: &report, area: area)
        for size in sizes { try GroupBenchmarks(area: area, floors: Floors(suite), count: size).run(&report) }
      }
      if wants("frame") { try FrameBenchmarks.run(&report) }
      if wants("server") { try await MailboxBenchmarks.run(&report) }
    }
    arguments.contains("--json") ? report.printJSON() : report.printTable()
  }
}
