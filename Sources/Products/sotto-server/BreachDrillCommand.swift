import ArgumentParser
import BreachDrill
import Foundation

/// `sotto-server breach-drill`
struct BreachDrillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "breach-drill",
    abstract: "Show what an intruder would get: play a break-in on a server of its own, and search what was taken.",
    discussion: """
      It starts another server in a temporary directory, lets some people talk through it, and then takes its files, its \
      memory, a core file, a backup, and what went through TLS. It searches all of it for what they said, who they are and \
      what they use, raw, as UTF-16, hex, base64 and decimal lists, and inside of gzip and zlib streams. Your own server and \
      its data are not touched.

      Exit codes: 0 nothing was found; 1 something was; 69 a place could not be searched; 70 the drill itself failed.
      """)

  @Option(help: ArgumentHelp("How many people talk.", valueName: "n"))
  var people = 4

  @Option(help: ArgumentHelp("Keep everything that was taken in this directory, which is made.", valueName: "dir"))
  var keep: String?

  @Flag(help: "Print the result as JSON.")
  var json = false

  func validate() throws {
    guard Drill.peopleRange.contains(people) else { throw ValidationError("--people is 2 to 50") }
    if let keep, FileManager.default.fileExists(atPath: keep) { throw ValidationError("--keep names a directory that is there already") }
  }

  func run() async throws {
    // Not all of the process's settings: a child that is not allowed to dump core could not show what is in one.
    umask(0o077)
    do {
      let drill = Drill(program: try Drill.ownProgram, folder: Drill.folder(keep), peopleCount: people) { Output.note($0) }
      let code = try await drill.report(keeping: keep != nil, asJSON: json) { Output.print($0) }
      if code != 0 { throw ExitCode(code) }
    } catch let error as DrillError { throw ServerFailure.drillFailed(error.text) }
  }
}
