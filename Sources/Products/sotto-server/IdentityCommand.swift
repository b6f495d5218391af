import ArgumentParser
import MailboxEngine
import ServerStorage

/// `sotto-server identity`
struct IdentityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "identity", abstract: "Print the fingerprint of the key that the server's links carry.")

  @OptionGroup var data: DataOptions

  func run() async throws {
    ProcessSettings.apply()
    let secrets = try await withWords { try ServerDirectory(data.directory).keys(creating: false).secrets() }
    Output.print(secrets.identity.fingerprint)
  }
}
