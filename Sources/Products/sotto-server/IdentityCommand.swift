import ArgumentParser
import MailboxEngine
import ServerStorage

/// `sotto-server identity`
struct IdentityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "identity", abstract: "Print the fingerprint of the key that the server's links carry.")

  @OptionGroup var data: DataOptions

  @Flag(help: "One object, for a script.")
  var json = false

  func run() async throws {
    ProcessSettings.apply()
    let secrets = try await withWords { try ServerDirectory(data.directory).keys(creating: false).secrets() }
    let fingerprint = secrets.identity.fingerprint
    if json { Output.print(json: ["fingerprint": fingerprint]) } else { Output.print(fingerprint) }
  }
}
