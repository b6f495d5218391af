import ArgumentParser
import Foundation
import SottoKit

struct SendCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send", abstract: "Send a text or a file to a contact or a group.",
    discussion: """
      The words of the text are joined with spaces; a single - reads the text from standard input. Fetches what waits, then \
      sends, and returns when the server has the message; if it cannot be reached, the message stays queued and the exit code says so.

      With --file it sends a file of any size, sealed on this device. When it was interrupted, the same command goes on where it ended; \
      --timeout says how long nothing may go forward before it ends.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The contact, or the title of the group.")
  var name: String
  @Argument(help: "The text, or - for standard input.")
  var text: [String] = []
  @Option(help: ArgumentHelp("A file to send instead of a text.", valueName: "path"))
  var file: String?

  func validate() throws {
    guard text.isEmpty != (file == nil) else { throw ValidationError("A text, or --file with a path.") }
  }

  func run() async throws {
    var message = text.joined(separator: " ")
    if text == ["-"] {
      message = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
      if message.hasSuffix("\n") { message.removeLast() }
    }
    try await options.withProfile { sotto in
      // What waits comes first: who is in the conversation now, and what was said before. Without the server, or while something else is
      // held up there, the message is queued all the same.
      do throws(SottoError) { try await sotto.synchronize(timeout: min(options.patience, .seconds(10))) } catch {
        guard error.delay != nil else { throw error }
      }
      let conversation = try await sotto.conversation(named: name)
      let outcome =
        if let file {
          try await deliver(file, to: conversation, sotto)
        } else {
          try await sotto.deliver(message, to: conversation.id, timeout: options.patience)
        }
      for note in outcome.notes { Terminal.note(note) }
    }
  }
}

extension SendCommand {
  private func deliver(_ file: String, to conversation: ConversationSummary, _ sotto: Sotto) async throws -> SendOutcome {
    do {
      return try await FileMeter.show(of: file) { meter in
        try await sotto.deliver(file: file, to: conversation.id, patience: options.patience, progress: meter)
      }
    } catch let error as SottoError {
      guard error.delay == .absence else { throw error }
      // Of a file nothing is queued before all of it is there.
      throw CommandFailure(
        text: error.text, hint: "the same command goes on where it ended; sotto status says whether the message waits already",
        exitCode: error.exitCode)
    }
  }
}

struct ReadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read", abstract: "Show what is new, or everything.",
    discussion: """
      Fetches what waits at the server, then shows what others wrote since the last time. With --wait it stays until so many \
      messages have come; when the time is over before, it ends with 75.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "Only the conversation with this contact, or of this group.")
  var name: String?
  @Flag(help: "Everything, read or not, your own messages too.")
  var all = false
  @Option(help: "At most so many of each conversation, the newest.")
  var limit: Int?
  @Option(help: ArgumentHelp("Stay until so many messages have come.", valueName: "count"))
  var wait: Int?
  @Flag(help: "One JSON object a line.")
  var json = false
  @Flag(help: "Show what is on this device; ask no server.")
  var offline = false

  func validate() throws {
    guard (limit ?? 1) > 0, (wait ?? 1) > 0 else { throw ValidationError("--limit and --wait take 1 or more.") }
    guard wait == nil || !offline else { throw ValidationError("--wait needs the server.") }
  }

  func run() async throws {
    try await options.withProfile { sotto in
      let events = await sotto.events(for: options.patience)
      if !offline { try await fetch(sotto) }
      var count = try await show(sotto, all: all)
      guard let wait else { return }
      if count < wait {
        for await event in events {
          guard case .message = event else { continue }
          count += try await show(sotto, all: false)
          if count >= wait { break }
        }
      }
      guard count >= wait else {
        throw CommandFailure(
          text: count == 0 ? "no message has come in time" : "only \(count) of \(wait) messages have come in time",
          hint: "those that came are shown above; --timeout waits longer", exitCode: Exit.tryAgain)
      }
    }
  }

  /// A server that is not reached is no reason not to show what is here, and one that takes nothing gives what it has.
  private func fetch(_ sotto: Sotto) async throws {
    do throws(SottoError) {
      try await sotto.synchronize(timeout: wait == nil ? options.patience : min(options.patience, .seconds(5)))
    } catch {
      switch error.delay {
      case .absence:
        if wait == nil { Terminal.note("note: \(error.text); this is what is on this device") }
      case .holdUp: Terminal.note("note: \(error.text); what you asked for stays queued")
      case nil: throw error
      }
    }
  }

  /// - Returns: how many messages of others were shown.
  private func show(_ sotto: Sotto, all: Bool) async throws -> Int {
    var chosen = try await sotto.conversations()
    if let name { chosen = [try await sotto.conversation(named: name)] }
    let printer = EntryPrinter(sotto: sotto, style: options.style, isJSON: json, namesConversation: name == nil)
    let own = try await sotto.identity()
    var count = 0
    for conversation in chosen {
      var entries: [HistoryEntry]
      if all {
        entries = try await sotto.latest(in: conversation.id, limit: limit ?? .max)
      } else {
        entries = try await sotto.unread(in: conversation.id)
        if let limit { entries = Array(entries.suffix(limit)) }
      }
      try await printer.show(entries, of: conversation)
      if let last = entries.last { try await sotto.markRead(conversation.id, upTo: last.position) }
      count += entries.count { $0.author != own && $0.isMessage }
    }
    return count
  }
}

struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk: each line you type is sent, each message that comes is shown.",
    discussion: "Ctrl-D ends it. Works with pipes too: it ends when its input ends and everything is sent.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The contact, or the title of the group.")
  var name: String
  @Option(help: "Show so many earlier messages first.")
  var last = 10

  func validate() throws {
    guard last >= 0 else { throw ValidationError("--last takes 0 or more.") }
  }

  func run() async throws {
    try await options.withProfile { sotto in
      let events = await sotto.events()
      await sotto.connect()
      let conversation = try await sotto.conversation(named: name)
      let printer = EntryPrinter(sotto: sotto, style: options.style, isJSON: false, namesConversation: false)
      let earlier = last > 0 ? try await sotto.latest(in: conversation.id, limit: last) : []
      try await printer.show(earlier, of: conversation)
      if let newest = earlier.last { try await sotto.markRead(conversation.id, upTo: newest.position) }
      if Terminal.isTerminal(STDIN_FILENO) { Terminal.note(options.style.dim("Ctrl-D ends.")) }

      let listener = Task {
        for await event in events {
          switch event {
          case .message(conversation.id, _):
            let entries = try await sotto.unread(in: conversation.id)
            try await printer.show(entries, of: conversation)
            if let newest = entries.last { try await sotto.markRead(conversation.id, upTo: newest.position) }
          case .sent(conversation.id, _, let missed, let waiting):
            for note in SendOutcome(missedCount: missed, waitingCount: waiting).notes { Terminal.note("note: \(note)") }
          case .removed(conversation.id): Terminal.note("note: you are no longer in this group")
          case .serverFull: Terminal.note("note: \(SottoError.serverFull.text); it stays queued.")
          default: break
          }
        }
      }
      defer { listener.cancel() }
      let mark = try await sotto.workMark()
      for await line in Terminal.inputLines() where !line.isEmpty {
        do { try await sotto.send(line, to: conversation.id) } catch let error as SottoError {
          guard case .badLength = error else { throw error }
          Terminal.report(error.text, hint: error.commandHint)
        }
      }
      do throws(SottoError) { try await sotto.synchronize(timeout: options.patience) } catch {
        // The lines that were typed here are what counts.
        guard error.delay == .holdUp, try await !sotto.hasUnsentWork(since: mark) else { throw error }
      }
    }
  }
}

struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Send what waits here, and fetch what waits at the server.")

  @OptionGroup var options: GlobalOptions

  func run() async throws {
    try await options.withProfile { sotto in
      let events = await sotto.events()
      let listener = Task {
        var messageCount = 0
        for await event in events {
          if case .message(_, let entry) = event, entry.isMessage { messageCount += 1 }
          SyncCommand.note(event)
        }
        if messageCount > 0 { Terminal.note("New messages: \(messageCount). sotto read shows them.") }
      }
      do {
        try await sotto.askAgain()
        try await sotto.synchronize(timeout: options.patience)
      } catch {
        // What came before it is told all the same.
        await sotto.close()
        await listener.value
        throw error
      }
      // Closing ends the events, so what happened is told before the command ends.
      await sotto.close()
      await listener.value
    }
  }

  /// Says what happened that wants an answer.
  private static func note(_ event: Event) {
    switch event {
    case .contactAppeared:
      Terminal.note("Somebody has accepted an invitation of yours: sotto contacts")
    case .groupInvitation(_, _, let title):
      Terminal.note("You are asked into the group \(DisplayText.line(title)): sotto accept or sotto refuse")
    case .groupRefused: Terminal.note("Somebody whom you asked into a group does not want to join: sotto read shows who")
    case .groupInvitationFailed: Terminal.note("Somebody could not be asked into a group: sotto read shows who")
    case .gap: Terminal.note("A message has not arrived; its author was asked to send it again.")
    default: break
    }
  }
}

extension SendOutcome {
  /// What a person should know.
  var notes: [String] {
    var notes: [String] = []
    if missedCount > 0 {
      notes.append(
        missedCount == 1 ? "One device's mailbox is gone, or refuses it." : "\(missedCount) devices' mailboxes are gone, or refuse it.")
    }
    if waitingCount > 0 {
      notes.append(
        (waitingCount == 1 ? "One device's mailbox is full" : "\(waitingCount) devices' mailboxes are full")
          + "; it is tried again there by itself, whenever this profile is connected, for 30 days.")
    }
    return notes
  }
}

extension HistoryEntry {
  /// Somebody wrote it.
  var isMessage: Bool {
    switch kind {
    case .text, .attachment, .unknown: true
    case .memberAdded, .memberRemoved, .memberLeft, .deviceReturned, .lost, .mayHaveExpired, .notFetched, .notTaken, .declined, .notInvited:
      false
    }
  }
}

extension Sotto {
  func conversation(named name: String) throws(SottoError) -> ConversationSummary {
    try NameLookup.conversation(name, in: conversations(), contacts: contacts())
  }
}
