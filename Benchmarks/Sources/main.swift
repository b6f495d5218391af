import CryptoSuite
import Glibc

// benchmarks [--json] [--large] [--only AREA]
//   --large      groups of 5,000 too
//   --only AREA  mls, xwing, frame or server
let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.allSatisfy({ ["--json", "--large", "--only", "mls", "xwing", "frame", "server"].contains($0) }) else {
  print("usage: benchmarks [--json] [--large] [--only mls|xwing|frame|server]")
  exit(2)
}
let only = arguments.firstIndex(of: "--only").flatMap { arguments.indices.contains($0 + 1) ? arguments[$0 + 1] : nil }
func wants(_ area: String) -> Bool { only == nil || only == area }

var report = Report(json: arguments.contains("--json"))
let suites: [(area: String, suite: CipherSuite, sizes: [Int])] = [
  ("mls", .mls128X25519AES128SHA256Ed25519, [2, 100, 1_000] + (arguments.contains("--large") ? [5_000] : [])),
  ("xwing", .sottoXWing, [2, 64]),
]
for (area, suite, sizes) in suites where wants(area) {
  let floors = try Floors(suite)
  floors.report(to: &report, area: area)
  for size in sizes { try GroupBenchmarks(area: area, floors: floors, count: size).run(&report) }
}
if wants("frame") { try FrameBenchmarks.run(&report) }
if wants("server") { try await MailboxBenchmarks.run(&report) }
report.finish()
