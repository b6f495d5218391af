import CryptoSuite
public import MailboxEngine
public import SottoProtocol
import Synchronization
import WireFormat

/// The client's end of a stream, without a network between.
public actor TestStream {
  private let session: OwnerSession
  private let mailbox: TestMailbox
  /// Whether each envelope is acknowledged as it comes.
  private let acknowledging: Bool
  private let wakeIsWanted = WakeFlag()
  /// Everything that the server has said.
  public private(set) var messages: [ServerMessage] = []
  /// Whether the server knows that it speaks to the owner.
  public private(set) var isProved = false
  public private(set) var isClosed = false
  /// Whether the server blamed the client when it closed the stream.
  public private(set) var isMalformed = false

  public init(_ session: OwnerSession, mailbox: TestMailbox, acknowledging: Bool = false) {
    self.session = session
    self.mailbox = mailbox
    self.acknowledging = acknowledging
  }

  /// Opens the stream, proves to be the owner, and takes what waits.
  public func attach() async throws {
    let flag = wakeIsWanted
    try await absorb(session.start { flag.set() })
    guard case .hello(let serverKey, let nonce)? = messages.first else { throw FixtureError.unexpectedAnswer }
    let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: mailbox.id)
    try await send(.attach(mailbox: mailbox.id, signature: Signature64(trusted: mailbox.ownerKey.sign(content))))
    guard messages.contains(.attached) else { throw FixtureError.notAttached }
  }

  public func send(_ message: OwnerMessage) async throws { try await send(message.encoded) }

  public func send(_ bytes: [UInt8]) async throws {
    guard !isClosed else { throw FixtureError.closed }
    try await absorb(session.receive(bytes))
    // A long delivery comes in parts, each of which asks for the next.
    try await runWakes()
  }

  /// Gives the session the wake-ups that were asked for since the last time.
  public func runWakes() async throws {
    while !isClosed, wakeIsWanted.take() { try await absorb(session.wake()) }
  }

  public func close() async {
    isClosed = true
    await session.closed()
  }

  /// The cursors and sealed envelopes that have come.
  public var envelopes: [(cursor: [UInt8], sealed: [UInt8])] {
    messages.compactMap { message in
      if case .envelope(let cursor, let sealed) = message { (cursor, sealed) } else { nil }
    }
  }

  /// The frames that have come, opened.
  public func frames() throws -> [[UInt8]] { try envelopes.map { try mailbox.open($0.sealed).frame } }

  private func absorb(_ outputs: [SessionOutput]) async throws {
    for output in outputs {
      switch output {
      case .send(let bytes):
        let message = try ServerMessage(decoding: bytes)
        messages.append(message)
        if acknowledging, case .envelope(let cursor, _) = message {
          try await absorb(session.receive(OwnerMessage.acknowledge(cursor: cursor).encoded))
        }
      case .proved: isProved = true
      case .close(let malformed):
        isClosed = true
        isMalformed = malformed
      }
    }
  }
}

/// Set from anywhere, taken by the stream.
private final class WakeFlag: Sendable {
  private let isSet = Mutex(false)

  func set() { isSet.withLock { $0 = true } }

  func take() -> Bool {
    isSet.withLock { isSet in
      defer { isSet = false }
      return isSet
    }
  }
}
