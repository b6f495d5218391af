import Foundation
import SottoKit

/// Shows entries of histories, for people and for scripts.
struct EntryPrinter {
  /// One line of `--json`.
  private struct Line: Encodable {
    var conversation: String
    var position: UInt64
    var id: String
    var author: String
    var isOwn: Bool
    var sentAt: String
    var kind: String
    var text: String?
    var person: String?
    var count: UInt64?
    var devices: UInt64?
    var since: String?
    var file: String?
    var byteCount: UInt64?
    var mediaType: String?
    var delivery: String
  }

  let sotto: Sotto
  let style: Style
  let isJSON: Bool
  /// Several conversations are shown, so each entry names its own.
  let namesConversation: Bool

  func show(_ entries: [HistoryEntry], of conversation: ConversationSummary) async throws {
    let own = try await sotto.identity()
    for entry in entries {
      let author = try await sotto.displayName(of: entry.author)
      if isJSON {
        try await showJSON(entry, author: author, isOwn: entry.author == own, conversation: conversation)
      } else {
        let time = style.dim(EntryPrinter.localTime(entry.sentAt))
        let place = namesConversation && conversation.kind == .group ? " in \(DisplayText.line(conversation.title))" : ""
        if let notice = try await notice(for: entry, author: author) {
          Terminal.print("\(time) \(style.dim("* \(DisplayText.line(notice))\(place)"))")
          continue
        }
        let waits = entry.delivery == .waiting ? style.dim(" (not sent yet)") : ""
        let lines = DisplayText.lines(words(for: entry, in: conversation)).split(separator: "\n", omittingEmptySubsequences: false)
        Terminal.print(
          "\(time) \(style.bold(DisplayText.line(author)))\(place): \(lines.joined(separator: "\n    "))\(waits)")
      }
    }
  }

  private func words(for entry: HistoryEntry, in conversation: ConversationSummary) -> String {
    switch entry.kind {
    case .text(let text): text
    case .attachment(let attachment):
      "[file] \(DisplayText.line(attachment.name)), \(ByteCount.text(attachment.byteCount)); sotto save \(EntryPrinter.argument(conversation.title)) \(entry.position)"
    case .unknown(let fallback) where !fallback.isEmpty: fallback
    case .unknown, .memberAdded, .memberRemoved, .memberLeft, .deviceReturned, .lost, .mayHaveExpired, .notFetched, .notTaken, .declined,
      .notInvited:
      "(something that a newer version shows)"
    }
  }

  /// What happened, of an entry that nobody wrote.
  private func notice(for entry: HistoryEntry, author: String) async throws -> String? {
    switch entry.kind {
    case .text, .attachment, .unknown: nil
    case .memberAdded(let person): "\(try await sotto.displayName(of: person)) was added"
    case .memberRemoved(let person): "\(try await sotto.displayName(of: person)) was removed"
    case .deviceReturned(let person): "a device of \(try await sotto.displayName(of: person)) came back by itself"
    case .memberLeft(let person): "\(try await sotto.displayName(of: person)) leaves"
    case .lost(let count): "\(EntryPrinter.messages(count)) of \(author) cannot be had any more"
    case .mayHaveExpired(let since): EntryPrinter.absence(since: since)
    case .notFetched(let count, let deviceCount):
      "\(EntryPrinter.messages(count)) of yours \(count == 1 ? "is" : "are") older than 30 days, and \(EntryPrinter.devices(deviceCount)) of \(author) "
        + "\(deviceCount == 1 ? "has" : "have") not said to have \(count == 1 ? "it" : "them"): what was not fetched is gone from the server"
    case .notTaken(let count):
      "\(EntryPrinter.messages(count)) of yours did not reach a device of \(author): its mailbox was full for 30 days, or is gone"
    case .declined: "\(author), whom you asked in, does not want to join"
    case .notInvited: "\(author) could not be asked in: the server gave nothing to register with"
    }
  }

  private func showJSON(
    _ entry: HistoryEntry, author: String, isOwn: Bool, conversation: ConversationSummary
  ) async throws {
    var line = Line(
      conversation: conversation.title, position: entry.position, id: JSONLine.hex(entry.id.bytes), author: author,
      isOwn: isOwn, sentAt: EntryPrinter.universalTime(entry.sentAt), kind: "", delivery: "")
    switch entry.kind {
    case .text(let text): (line.kind, line.text) = ("text", text)
    case .attachment(let attachment):
      (line.kind, line.file, line.byteCount, line.mediaType) =
        ("file", attachment.name, attachment.byteCount, attachment.mediaType)
    case .unknown(let fallback): (line.kind, line.text) = ("unknown", fallback)
    case .memberAdded(let person): (line.kind, line.person) = ("added", try await sotto.displayName(of: person))
    case .memberRemoved(let person): (line.kind, line.person) = ("removed", try await sotto.displayName(of: person))
    case .deviceReturned(let person): (line.kind, line.person) = ("returned", try await sotto.displayName(of: person))
    case .memberLeft(let person): (line.kind, line.person) = ("left", try await sotto.displayName(of: person))
    case .lost(let count): (line.kind, line.count) = ("lost", count)
    case .mayHaveExpired(let since): (line.kind, line.since) = ("mayHaveExpired", EntryPrinter.universalTime(since))
    case .notFetched(let count, let deviceCount):
      (line.kind, line.person, line.count, line.devices) = ("notFetched", author, count, deviceCount)
    case .notTaken(let count): (line.kind, line.person, line.count) = ("notTaken", author, count)
    case .declined: (line.kind, line.person) = ("declined", author)
    case .notInvited: (line.kind, line.person) = ("notInvited", author)
    }
    switch entry.delivery {
    case .received: line.delivery = "received"
    case .waiting: line.delivery = "waiting"
    case .sent: line.delivery = "sent"
    }
    try JSONLine.print(line)
  }

  private static func messages(_ count: UInt64) -> String { count == 1 ? "one message" : "\(count) messages" }

  private static func devices(_ count: UInt64) -> String { count == 1 ? "one device" : "\(count) devices" }

  /// That messages may have been lost to somebody who was away.
  static func absence(since: UInt64) -> String {
    "nothing was fetched here from \(localTime(since)) on, and a server keeps messages for 30 days: some may be gone; the others are asked for them"
  }

  /// A name as a shell takes it.
  private static func argument(_ name: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@%+=:,/-")
    let name = DisplayText.line(name)
    guard name.isEmpty || name.hasPrefix("-") || !name.allSatisfy(plain.contains) else { return name }
    return "\(name.hasPrefix("-") ? "-- " : "")'\(name.replacing("'", with: "'\\''"))'"
  }

  // MARK: - Times

  /// The last millisecond of the year 9999: the time is by the author's clock, and can be anything.
  private static let latest: UInt64 = 253_402_300_799_999

  private static func date(_ milliseconds: UInt64) -> Date? {
    milliseconds <= latest ? Date(timeIntervalSince1970: Double(milliseconds) / 1000) : nil
  }

  static func localTime(_ milliseconds: UInt64) -> String {
    guard let date = date(milliseconds) else { return "????-??-?? ??:??" }
    let parts = Calendar(identifier: .gregorian).dateComponents([.year, .month, .day, .hour, .minute], from: date)
    func digits(_ value: Int?, _ count: Int) -> String {
      let text = String(value ?? 0)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    return "\(digits(parts.year, 4))-\(digits(parts.month, 2))-\(digits(parts.day, 2)) "
      + "\(digits(parts.hour, 2)):\(digits(parts.minute, 2))"
  }

  static func universalTime(_ milliseconds: UInt64) -> String {
    guard let date = date(milliseconds) else { return "" }
    return date.formatted(.iso8601)
  }
}

/// One object on one line.
enum JSONLine {
  static func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    Terminal.print(DisplayText.escapedJSON(String(decoding: try encoder.encode(value), as: UTF8.self)))
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
