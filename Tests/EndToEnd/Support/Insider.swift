import BreachDrill
import CryptoSuite
import DeviceStorage
import Foundation
import MLS
import MailboxClient
import SottoProtocol
import Testing
import WireFormat

@testable import ConversationEngine

/// A person's profile opened by the test itself, to do what the program would not.
struct Insider {
  let store: EncryptedDeviceStore
  let engine: ConversationEngine

  init(_ person: Person) throws {
    let key = [UInt8](try Data(contentsOf: person.keyFile))
    store = try EncryptedDeviceStore.open(directory: person.profile.path, key: .keyFile(Secret(key), path: person.keyFile.path))
    engine = try #require(try ConversationEngine.open(store: store, random: SystemRandom()))
  }

  /// What a member holds of a conversation, kept beyond the membership.
  struct Kept {
    var recipient: Recipient
    /// A frame of a commit's size under the keys that the member has, for the next slot.
    var append: LogAppend
  }

  private func find(_ title: String) throws -> Conversation {
    try #require(engine.state.conversations.values.first { $0.context.title == title })
  }

  func conversation(titled title: String) throws -> Kept {
    defer { store.close() }
    let conversation = try find(title)
    let own = try #require(conversation.group?.ownLeafIndex)
    let key = try #require(conversation.wrapKeys.first)
    let append = LogAppend(
      handle: conversation.context.handle, slot: conversation.nextSlot + 1, writeKey: conversation.writeKey,
      entry: try key.seal([1, 2, 3], random: SystemRandom()).bytes, rotation: nil, groupInfo: [], recipients: conversation.recipients)
    return Kept(recipient: try #require(conversation.device(at: own)).delivery.recipient, append: append)
  }

  /// Queues a text and gives the frame that will be sent; the program sends the identical bytes later.
  func nextFrame(_ text: String, in title: String) throws -> (frame: [UInt8], recipients: [Recipient]) {
    defer { store.close() }
    var engine = engine
    let now = UInt64(Date().timeIntervalSince1970 * 1_000)
    _ = try engine.send(text: text, to: try find(title).id, now: now)
    for work in try engine.nextWork(now: now) {
      if case .call(.send(_, let frame, let recipients)) = work.action { return (frame, recipients) }
    }
    throw EndToEndError.notReady("no message to send")
  }

  /// What a search of the server is made with.
  func canaries() throws -> [Canary] {
    defer { store.close() }
    return engine.traces.map { Canary($0.name, bytes: $0.bytes, rule: $0.isShown ? .inFlight : .never) }
  }

  /// The message that attaches this person's stream.
  func attachMessage(server: ServerAddress, nonce: [UInt8]) throws -> OwnerMessage {
    try engine.attachMessage(server: server, serverKey: server.serverKey, nonce: nonce)
  }

  var home: ServerAddress { get throws { try #require(engine.servers.first) } }
}

extension ServerProcess {
  /// A connection of the test's own. It trusts whatever answers: what is tested is the server.
  func connection() throws -> ServerConnection {
    ServerConnection(endpoint: ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true }))
  }
}

extension ServerConnection {
  func ask(_ request: Request) async throws -> Answer {
    try Answer(decoding: try await call(request.encoded))
  }
}

/// What of these canaries was found, as "kind (form)".
func hits(_ canaries: [Canary], in bytes: [UInt8]) -> [String] {
  let search = CanarySearch(canaries)
  return search.words(for: search.findings(in: bytes))
}
