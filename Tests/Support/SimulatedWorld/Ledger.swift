package import ConversationEngine
package import SottoProtocol

/// What a world remembers in order to judge it at the end.
package struct Ledger {
  package struct Text {
    package var author: Int
    package var authorRemovals: Int
    package var conversation: ConversationID
    package var id: MessageID
    package var text: String
    /// Devices that were in the author's roster, each with how often it had been removed from the conversation by then.
    package var readers: [(device: Int, removals: Int)]
  }

  /// Whose is whose.
  package var identities: [IdentityID: Int] = [:]
  /// For each message, the mailboxes that its author ever named for it.
  package private(set) var named: [MessageID: Set<MailboxID>] = [:]
  /// Texts that were queued.
  package var texts: [Text] = []
  /// Where the marker of every text was seen by the server.
  package private(set) var leakCount = 0
  package private(set) var serverByteCount = 0
  /// Devices that were given things which nobody can read: they may still hold them.
  package var isPoisoned: Set<Int> = []

  /// Stands in every text.
  package static let canary = "canary"
  private static let canaryBytes = Array(canary.utf8)

  /// Devices whose mailboxes did not take an entry: one that was removed by it may never hear of it.
  package var lackEntries: Set<Int> = []
  /// Conversations in which somebody made a commit that not all could read.
  package var unreadable: Set<ConversationID> = []
  /// Devices whose owners declined an invitation to a group.
  package var refusers: Set<Int> = []
  /// Somebody is away for so long, or a mailbox full, that messages expire and people are told.
  package var allowsExpiry = false
  /// What must not happen at any time.
  package var failures: [String] = []

  package init() {}

  mutating func note(_ call: Call) {
    guard let message = call.message, case .send(_, _, let recipients) = call.request else { return }
    named[message, default: []].formUnion(recipients.map(\.mailbox))
  }

  mutating func serverSaw(_ bytes: [UInt8]) {
    serverByteCount += bytes.count
    let first = Self.canaryBytes[0]
    var index = 0
    let end = bytes.count - Self.canaryBytes.count
    while index <= end {
      if bytes[index] == first, bytes[index..<index + Self.canaryBytes.count].elementsEqual(Self.canaryBytes) { leakCount += 1 }
      index += 1
    }
  }
}
