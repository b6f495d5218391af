import ArgumentParser
import Foundation
import SottoKit

/// The command line.
@main
struct SottoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sotto",
    abstract: "Talk through a server of your own that cannot listen.",
    discussion: """
      Begin with a registration link from whoever runs your server:
        sotto init --name Ada --server -  and paste the link
        sotto invite --for Bob            a link for Bob, over a channel you trust
        sotto contacts confirm Bob        once Bob has accepted, if it is Bob
        sotto send Bob 'Tea at four?'
        sotto read
        sotto send Bob --file plan.pdf    Bob gets it with sotto save Ada

      Results go to standard output, everything else to standard error. Names that begin with a dash, and texts, can
      follow a `--`. Environment: SOTTO_PROFILE, SOTTO_KEY_FILE, SOTTO_PASSPHRASE_FILE, NO_COLOR.

      Completion for your shell: sotto --generate-completion-script bash (or zsh, fish).

      Exit codes: 0 done; 1 unexpected; 64 usage; 65 bad data (a damaged link, too long a text); 66 no such profile, \
      contact or group; 69 the server cannot be used; 73 cannot create; 74 the recovery key could not be shown; 75 try again (not done in time, profile in use); \
      77 not permitted, or wrong passphrase.
      """,
    version: "0.1.0",
    subcommands: [
      InitCommand.self, InviteCommand.self, InvitesCommand.self, AcceptCommand.self, RefuseCommand.self, ContactsCommand.self,
      SendCommand.self, SaveCommand.self, ReadCommand.self, ChatCommand.self, SyncCommand.self, GroupCommand.self, VerifyCommand.self,
      StatusCommand.self,
    ])

  // Here too, so that they can stand before the command.
  @OptionGroup var options: GlobalOptions

  static func main() async {
    ProcessSettings.apply()
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let error as SottoError {
      Terminal.report(error.text, hint: error.commandHint)
      Foundation.exit(error.exitCode)
    } catch let failure as CommandFailure {
      Terminal.report(failure.text, hint: failure.hint)
      Foundation.exit(failure.exitCode)
    } catch {
      // Help, usage and the parser's own errors, with the parser's own codes.
      let (code, text) = (exitCode(for: error), fullMessage(for: error))
      // An error begins as all others of this program do.
      if code.isSuccess { Terminal.print(text) } else if !text.isEmpty { Terminal.note(text.replacing(/^Error:/, with: "error:")) }
      Foundation.exit(code.rawValue)
    }
  }
}
