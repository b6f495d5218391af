import ArgumentParser
import SottoKit

struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a profile on this device.",
    discussion: """
      Asks for a passphrase, twice; with --key-file a file of random bytes opens the profile instead, and is made if it is \
      not there. Prints the recovery key, which is shown this once; if it cannot be, nothing is kept, and the exit code is 74.
      """)

  @OptionGroup var options: GlobalOptions
  @Option(help: "What your contacts see.")
  var name: String
  @Option(help: ArgumentHelp("A registration link from whoever runs the server; - reads it from standard input.", valueName: "link"))
  var server: String

  func run() async throws {
    let registration = try Terminal.link(server)
    let key = try options.keyForNewProfile()
    let (sotto, recoveryKey) = try await create(key, registration)
    Terminal.note("Your recovery key, which is shown this once. It is good from the moment that the profile is ready:\n")
    guard Terminal.print("    \(recoveryKey)\n") else {
      // Nobody could ever use it; and the link has not been used yet.
      try await sotto.erase()
      throw CommandFailure(
        text: "the recovery key could not be shown", hint: "look at where standard output goes, then begin again; nothing was kept",
        exitCode: Exit.outputFailed)
    }
    Terminal.note(
      """
      Write it down and keep it away from this device. It outranks your devices: whoever has it can speak for you, and
      without it nobody can, once your devices are lost.

      """)
    do {
      try await sotto.waitUntilRegistered(timeout: options.patience)
      try await sotto.settle(options, since: nil)
    } catch {
      guard error as? SottoError == .registrationRefused else {
        await sotto.close()
        throw error
      }
      // Nobody has met this person yet: without a mailbox there is nothing to keep.
      try await sotto.erase()
      throw CommandFailure(
        text: SottoError.registrationRefused.text,
        hint: "begin again with a new link; the recovery key above is void, and nothing was kept",
        exitCode: Exit.notPermitted)
    }
    await sotto.close()
    Terminal.note("The profile is ready. Next: sotto invite --for NAME")
  }

  private func create(_ key: ProfileKey, _ registration: String) async throws -> (Sotto, String) {
    do {
      return try await Sotto.create(in: options.directory, key: key, name: name, registration: registration)
    } catch SottoError.server(let problem) {
      // The server is asked before anything is made.
      throw CommandFailure(
        text: SottoError.server(problem).text, hint: "nothing was kept, and the link was not used: begin again when the server answers",
        exitCode: Exit.unavailable)
    }
  }
}
