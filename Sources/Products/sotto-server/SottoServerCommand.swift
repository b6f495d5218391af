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

      Completion for your shell: sotto-server --generate-completion-script bash (or zsh, fish).

      Exit codes: \(ServerExit.allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: "; ")).
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
      Foundation.exit(failure.exit.rawValue)
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
  static let directoryHelp = ArgumentHelp("The server's directory.", valueName: "dir")
  static let configHelp = ArgumentHelp(
    "The file of settings that names the directory (also \(SettingsOptions.fileVariable)).", valueName: "file")

  @Option(name: .customLong("data"), help: Self.directoryHelp)
  var directory = ""

  @Option(help: Self.configHelp)
  var config: String?

  private static func sources(_ config: String?) -> SettingsSources {
    let environment = ProcessInfo.processInfo.environment
    return SettingsSources(environment: environment, file: config ?? environment[SettingsOptions.fileVariable])
  }

  /// How much the server may take whose directory it is. Where nothing says so, this command does not know the server's settings.
  ///
  /// - Parameter unknown: what holds then; only the disk, if nothing is given.
  /// - Throws: a failure that names every fault of the file, or of the variables that say so.
  func limits(unknown: StorageLimits? = nil) throws -> StorageLimits {
    let sources = Self.sources(config)
    let loaded = sources.load()
    // Variables alone need not name the directory and the rest.
    let faults = sources.file == nil ? loaded.faults(concerning: "storage") : loaded.faults
    guard faults.isEmpty else { throw ServerFailure.badSettings(faults) }
    if sources.file != nil || loaded.values.contains(where: { $0.setting.name.hasPrefix("storage.") && $0.origin != .fallback }) {
      return loaded.settings.storage
    }
    if let unknown { return unknown }
    var limits = StorageLimits()
    limits.minimumFreeByteCount = 1 << 20
    return limits
  }

  mutating func validate() throws { directory = try Self.directory(directory, config: config) }

  /// - Returns: what was typed, or what the settings name.
  /// - Throws: where neither says it.
  static func directory(_ typed: String, config: String?) throws -> String {
    guard typed.isEmpty else { return typed }
    let directory = sources(config).load().settings.data
    guard !directory.isEmpty else {
      throw ValidationError("Missing expected argument '--data <dir>', or a --config that names it")
    }
    return directory
  }
}
