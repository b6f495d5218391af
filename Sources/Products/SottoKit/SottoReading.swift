import ConversationEngine
import DeviceStorage
import SottoProtocol
import WireFormat

// How far somebody has read is kept with the profile, sealed, and told to nobody.
extension Sotto {
  /// Entries of one page when a whole history is walked through.
  private static let pageEntryCount = 500

  /// What others wrote since `markRead`, and what happened in the conversation; oldest first.
  public func unread(in conversation: ConversationID, limit: Int = .max) throws(SottoError) -> [HistoryEntry] {
    let own = try identity()
    var found: [HistoryEntry] = []
    try walk(conversation, after: readPosition(in: conversation)) { entry in
      if entry.author != own || entry.kind.isNotice { found.append(entry) }
      return found.count < limit
    }
    return found
  }

  /// The newest entries of a conversation, oldest first.
  public func latest(in conversation: ConversationID, limit: Int = .max) throws(SottoError) -> [HistoryEntry] {
    var found: [HistoryEntry] = []
    try walk(conversation, after: nil) { entry in
      found.append(entry)
      // Drops in bulk: each entry is moved at most once more than it was read.
      if found.count / 2 > max(limit, Self.pageEntryCount) { found.removeFirst(found.count - limit) }
      return true
    }
    return limit < found.count ? Array(found.suffix(limit)) : found
  }

  /// Remembers that everything up to this position was read.
  public func markRead(_ conversation: ConversationID, upTo position: UInt64) throws(SottoError) {
    if let last = try readPosition(in: conversation), last >= position { return }
    var writer = ByteWriter()
    writer.write(position)
    do { try store.setNote(writer.bytes, named: noteName(conversation)) } catch { throw SottoError(.store(error)) }
  }

  private func readPosition(in conversation: ConversationID) throws(SottoError) -> UInt64? {
    guard engine != nil else { throw failure ?? .closed }
    do {
      guard let note = try store.note(noteName(conversation)) else { return nil }
      return try? UInt64(decoding: note)
    } catch { throw SottoError(.store(error)) }
  }

  private func noteName(_ conversation: ConversationID) -> String {
    "read/" + Base64URL.encode(conversation.bytes)
  }

  private func walk(
    _ conversation: ConversationID, after: UInt64?, _ visit: (HistoryEntry) -> Bool
  ) throws(SottoError) {
    var position = after
    while true {
      let page = try history(of: conversation, after: position, limit: Self.pageEntryCount)
      for entry in page where !visit(entry) { return }
      guard let last = page.last, page.count == Self.pageEntryCount else { return }
      position = last.position
    }
  }
}

extension HistoryEntry.Kind {
  /// Whether it tells this profile's owner something that nobody wrote.
  var isNotice: Bool {
    switch self {
    case .mayHaveExpired, .notFetched, .notTaken, .declined, .notInvited: true
    case .text, .attachment, .unknown, .memberAdded, .memberRemoved, .memberLeft, .deviceReturned, .lost: false
    }
  }
}
