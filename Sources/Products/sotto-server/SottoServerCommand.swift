package import ArgumentParser
import Foundation
import Logging
import ServerStorage

/// The command line of the server.
package struct SottoServerCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "sotto-server",
    abstract: "Keep mailboxes whose content you cannot read.",
    discussion: """
      Begin with
        sotto-server config sample                a file of all settings, explained
        sotto-server config check --config FILE   what is wrong in it
        sotto-server serve --config FILE
        sotto-server invite --config FILE         a link for one person

      The server's directory (`data`, --data) holds everything: the database, and the keys without which it is of no use. \
      Keep server.keys and server.tls.pem in a backup; nobody else may read them.

      Exit codes: 0 done; 1 breach-drill or search found something; 64 usage; 65 damaged or foreign data; 66 no data there; 69 the address or port cannot be had; \
      71 the system refuses; 73 something is there already; 74 the disk failed; 75 another server uses the data; 77 files that others may read; \
      78 wrong settings.
      """,
    version: version,
    subcommands: [
      ServeCommand.self, ConfigCommand.self, StatusCommand.self, InviteCommand.self, BackupCommand.self,
      RestoreCommand.self, NewDatabaseCommand.self, ReportsCommand.self, IdentityCommand.self,
      BreachDrillCommand.self, SearchCommand.self,
    ])

  package init() {}

  static let version = "0.1.0"

  package static func main() async {
    // What libraries say may name addresses.
    LoggingSystem.bootstrap { _ in SwiftLogNoOpLogHandler() }
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let failure as ServerFailure {
      Output.note("error: \(failure.text)\nhint: \(failure.hint)")
      Foundation.exit(failure.exitCode)
    } catch {
      // Help, usage and the parser's own errors, with the parser's own codes.
      let (code, text) = (exitCode(for: error), fullMessage(for: error))
      // An error begins as all others of this program do.
      if code.isSuccess { Output.print(text) } else if !text.isEmpty { Output.note(text.replacing(/^Error:/, with: "error:")) }
      Foundation.exit(code.rawValue)
    }
  }
}

/// What every command needs.
struct DataOptions: ParsableArguments {
  @Option(name: .customLong("data"), help: ArgumentHelp("The server's directory.", valueName: "dir"))
  var directory = ""

  @Option(
    help: ArgumentHelp(
      "The file of settings that names the directory (also \(SettingsOptions.fileVariable)).", valueName: "file"))
  var config: String?

  /// The settings of the server whose directory it is, as far as this command knows them.
  private var settings: ServerSettings {
    let environment = ProcessInfo.processInfo.environment
    return SettingsSources(environment: environment, file: config ?? environment[SettingsOptions.fileVariable]).load().settings
  }

  /// How much that server may take.
  var limits: StorageLimits { settings.storage }

  mutating func validate() throws {
    guard directory.isEmpty else { return }
    directory = settings.data
    guard !directory.isEmpty else {
      throw ValidationError("Missing expected argument '--data <dir>', or a --config that names it")
    }
  }
}
