import CryptoSuite
import Glibc

/// benchmarks [--json] [--large] [--only AREA]
///
///   --large      groups of 5,000 too
///   --only AREA  mls, xwing, frame or server
@main
struct Benchmarks {
  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let areas = ["mls", "xwing", "frame", "server"]
    guard arguments.allSatisfy({ (["--json", "--large", "--only"] + areas).contains($0) }) else {
      print("usage: benchmarks [--json] [--large] [--only \(areas.joined(separator: "|"))]")
      exit(2)
    }
    let chosen = areas.filter(arguments.contains)
    func wants(_ area: String) -> Bool { chosen.isEmpty || chosen.contains(area) }

    var report = Report(json: arguments.contains("--json"))
    let suites: [(area: String, suite: CipherSuite, sizes: [Int])] = [
      ("mls", .mls128X25519AES128SHA256Ed25519, [2, 100, 1_000] + (arguments.contains("--large") ? [5_000] : [])),
      ("xwing", .sottoXWing, [2, 64]),
    ]
    for (area, suite, sizes) in suites where wants(area) {
      try Floors(suite).report(to: &report, area: area)
      // Measured again beside each group: the machine is not as fast at every moment.
      for size in sizes { try GroupBenchmarks(area: area, floors: Floors(suite), count: size).run(&report) }
    }
    if wants("frame") { try FrameBenchmarks.run(&report) }
    if wants("server") { try await MailboxBenchmarks.run(&report) }
    report.finish()
  }
}
