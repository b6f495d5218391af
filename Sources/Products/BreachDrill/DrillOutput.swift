package import Foundation

extension Drill {
  /// Something must not have been found and was.
  private static let leakedCode: Int32 = 1
  /// A place could not be searched: `EX_UNAVAILABLE`.
  private static let unsearchedCode: Int32 = 69

  /// The running program itself, wherever it was started from.
  package static var ownProgram: URL {
    get throws {
      if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") { return URL(filePath: path) }
      guard let path = Bundle.main.executablePath else { throw DrillError("the program does not find itself") }
      return URL(filePath: path)
    }
  }

  /// Where a drill works: the directory to keep, or one of its own among the temporary ones.
  package static func folder(_ keep: String?) -> URL {
    keep.map { URL(filePath: $0) } ?? FileManager.default.temporaryDirectory.appending(path: "sotto-drill-\(RandomText.marker())")
  }

  /// Runs the drill, prints what came of it, and removes what it made, unless it is to be kept.
  ///
  /// - Returns: the program's exit code.
  package func report(keeping isKept: Bool, asJSON: Bool, _ print: @Sendable (String) -> Void) async throws -> Int32 {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { if !isKept { try? FileManager.default.removeItem(at: folder) } }
    let report = try await run()
    if asJSON {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      for line in report.lines { print(line) }
    }
    if isKept { progress("everything that was taken is in \(folder.path)") }
    if report.leakCount > 0 { return Self.leakedCode }
    return report.unsearched.isEmpty ? 0 : Self.unsearchedCode
  }
}
