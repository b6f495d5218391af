import ArgumentParser
import Foundation
import SottoKit

/// What every command takes.
struct GlobalOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where the profile lies (SOTTO_PROFILE).", valueName: "directory"))
  var profile: String?

  @Option(
    help: ArgumentHelp("The file of 32 bytes that opens the profile, instead of a passphrase (SOTTO_KEY_FILE).", valueName: "file"))
  var keyFile: String?

  @Option(
    help: ArgumentHelp("A file whose first line is the passphrase (SOTTO_PASSPHRASE_FILE).", valueName: "file"))
  var passphraseFile: String?

  @Option(help: ArgumentHelp("How long to wait for the server.", valueName: "seconds"))
  var timeout: Double = 30

  @Flag(help: "No colours, even on a terminal.")
  var noColor = false

  func validate() throws {
    guard timeout >= 0, timeout <= 1_000_000 else {
      throw ValidationError("--timeout takes seconds from 0 to 1000000.")
    }
  }

  var directory: String {
    if let named = profile ?? environment("SOTTO_PROFILE") { return named }
    let home = environment("HOME") ?? NSHomeDirectory()
    return "\(environment("XDG_DATA_HOME") ?? "\(home)/.local/share")/sotto"
  }

  var patience: Duration { .milliseconds(Int64(timeout * 1000)) }

  var style: Style { Style(isOn: Terminal.usesColor(self)) }

  /// The key for a profile that is about to be made.
  func keyForNewProfile() throws -> ProfileKey {
    if let named = try namedKey() { return named }
    return .passphrase(typed: try PassphrasePrompt.askTwice())
  }

  /// Opens the profile, does something with it, and closes it.
  ///
  /// - Parameter notingInvitations: says what became of invitations that had waited for the server.
  func withProfile(notingInvitations: Bool = true, _ body: (Sotto) async throws -> Void) async throws {
    let sotto = try await open()
    let events = await sotto.events()
    let listener = Task {
      for await event in events {
        switch event {
        case .mayHaveExpired(let server, let since):
          Terminal.note("note: \(DisplayText.line(server.host)): \(EntryPrinter.absence(since: since)).")
        case .invitationReady where notingInvitations: Terminal.note("note: an invitation that had waited is ready: sotto invites")
        case .invitationFailed where notingInvitations:
          Terminal.note(
            "note: an invitation that had waited is gone: \(SottoError.invitationNotTaken.text). Make it again later: sotto invite")
        case .consentFailed:
          Terminal.note("note: you cannot join a group after all, for its server does not let you in: sotto group list")
        default: break
        }
      }
    }
    // Closing ends the events, so what happened is told before the command ends.
    do { try await body(sotto) } catch {
      await sotto.close()
      await listener.value
      throw error
    }
    await sotto.close()
    await listener.value
  }

  private func open() async throws -> Sotto {
    let key = try keyForProfile()
    do { return try await Sotto.open(directory, key: key) } catch .profileInUse {
      Terminal.note("Another process has the profile open; waiting for it.")
      return try await Sotto.open(directory, key: key, waiting: min(patience, .seconds(10)))
    }
  }

  private func keyForProfile() throws -> ProfileKey {
    let protection = try Sotto.protection(of: directory)
    if let named = try namedKey() { return named }
    switch protection {
    case .keyFile(let path): return .keyFile(path: path)
    case .passphrase: return .passphrase(typed: try PassphrasePrompt.ask())
    }
  }

  /// Options come before the environment.
  private func namedKey() throws -> ProfileKey? {
    if keyFile != nil, passphraseFile != nil {
      throw ValidationError("Name a key file or a passphrase file, not both.")
    }
    if let keyFile { return .keyFile(path: keyFile) }
    if let passphraseFile { return .passphrase(typed: try PassphrasePrompt.read(file: passphraseFile)) }
    if let file = environment("SOTTO_KEY_FILE") { return .keyFile(path: file) }
    if let file = environment("SOTTO_PASSPHRASE_FILE") {
      return .passphrase(typed: try PassphrasePrompt.read(file: file))
    }
    return nil
  }

  private func environment(_ name: String) -> String? {
    guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { return nil }
    return value
  }
}

extension Sotto {
  /// Sends what waits, and returns when the server has all that was queued since this command began. What waited before it may go on waiting.
  ///
  /// - Parameters:
  ///   - mark: before this command queued anything; nil when everything is this command's.
  ///   - conversation: whose members it changes.
  func settle(_ options: GlobalOptions, since mark: WorkMark?, changing conversation: ConversationID? = nil) async throws {
    guard try hasUnsentWork() else { return }
    do throws(SottoError) { try await synchronize(timeout: options.patience) } catch {
      guard error.delay != nil, let mark, try !hasUnsentWork(since: mark, changing: conversation) else { throw error }
      Terminal.note("note: \(error.text); what waits for that stays queued")
    }
  }
}
