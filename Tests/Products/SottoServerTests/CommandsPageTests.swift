import ArgumentParser
import Foundation
import Testing

@testable import SottoServer

/// The tables of docs/operating.md that list the commands and the exit codes.
@Suite struct CommandsPageTests {
  private static func rows(after head: String) throws -> [[String]] {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/operating.md").standardized
    let lines = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "\n")
    let start = try #require(lines.firstIndex(of: head))
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  private struct Found: Hashable {
    var name: String
    var hasJSON: Bool
  }

  private static func commands(below type: any ParsableCommand.Type, _ path: [String]) -> [Found] {
    let subcommands = type.configuration.subcommands
    guard subcommands.isEmpty else {
      return subcommands.flatMap { commands(below: $0, path + [$0.configuration.commandName ?? String(describing: $0).lowercased()]) }
    }
    return [Found(name: path.joined(separator: " "), hasJSON: type.helpMessage(columns: 200).contains("--json "))]
  }

  @Test func `every command stands in the table, with whether a script can read its result`() throws {
    let rows = try Self.rows(after: "| command | what it does | `--json` |")
    let told = rows.map { Found(name: $0[0].replacing("`", with: ""), hasJSON: $0[2] == "yes") }
    let real = Self.commands(below: SottoServerCommand.self, [])
    #expect(Set(told) == Set(real), "\(Set(told).symmetricDifference(real))")
    #expect(told.count == real.count)
  }

  @Test func `every exit code stands in the table and in the help`() throws {
    let rows = try Self.rows(after: "| exit code | |")
    #expect(rows == ServerExit.allCases.map { ["\($0.rawValue)", $0.meaning] })
    let help = SottoServerCommand.helpMessage(columns: 4_000)
    for exit in ServerExit.allCases { #expect(help.contains("\(exit.rawValue) \(exit.meaning)")) }
  }
}
