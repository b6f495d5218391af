import ArgumentParser
import BreachDrill
import Foundation

/// `sotto-server search`
struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Look for texts in files, in every form that breach-drill knows.",
    discussion: """
      Each line of the standard input is a text to look for, so that none stands in a list of processes. Use it on your own \
      server's data, logs and backups, with names and numbers that must not be there.

      Exit codes: 0 nothing was found; 1 something was; 66 a file or directory is not there or cannot be read.
      """)

  @Argument(help: ArgumentHelp("Files, and directories with all that is in them.", valueName: "path"))
  var paths: [String]

  @Flag(help: "One object, for a script.")
  var json = false

  func run() throws {
    var lines: [String] = []
    while let line = readLine() { if !line.isEmpty { lines.append(line) } }
    guard !lines.isEmpty else { throw ValidationError("no text to look for on the standard input") }
    // By number: what is looked for is not printed.
    let search = CanarySearch(lines.enumerated().map { Canary("text \($0 + 1)", text: $1) })
    var findings = Findings()
    for path in paths { try look(in: path, search, &findings) }
    let hits = findings.hits.sorted { ($0.key.canary, $0.key.form) < ($1.key.canary, $1.key.form) }.map { key, found in
      Hit(text: key.canary + 1, form: key.words, count: found.count, file: found.label, byte: found.offset)
    }
    if json {
      Output.print(json: Result(hits: hits, bytes: findings.byteCount))
    } else {
      for hit in hits { Output.print("text \(hit.text) as \(hit.form): \(hit.count) times, first in \(hit.file), byte \(hit.byte)") }
    }
    Output.note("\(findings.byteCount) bytes and \(findings.streamCount) compressed streams searched in \(search.patternCount) forms")
    if !findings.isEmpty { throw ExitCode(ServerExit.found.rawValue) }
  }

  private struct Hit: Encodable {
    /// The number of the line of the standard input.
    var text: Int
    var form: String
    var count: Int
    /// Where it was found first.
    var file: String
    var byte: UInt64
  }

  private struct Result: Encodable {
    var hits: [Hit]
    var bytes: UInt64
  }

  private func look(in path: String, _ search: CanarySearch, _ findings: inout Findings) throws {
    guard let files = try? Self.files(at: path) else { throw ServerFailure.cannotRead(path) }
    for file in files {
      guard let haystack = Haystack.open(file, label: file) else { throw ServerFailure.cannotRead(file) }
      haystack.search(search, into: &findings)
      haystack.close()
    }
  }

  /// The regular files at or below a path: pipes and sockets hold nothing, and a link's target is searched where it lies.
  private static func files(at path: String) throws -> [String] {
    let manager = FileManager.default
    func type(_ path: String) throws -> FileAttributeType? { try manager.attributesOfItem(atPath: path)[.type] as? FileAttributeType }
    guard try type(path) == .typeDirectory else { return [path] }
    return try manager.subpathsOfDirectory(atPath: path).sorted().map { "\(path)/\($0)" }.filter { try type($0) == .typeRegular }
  }
}
