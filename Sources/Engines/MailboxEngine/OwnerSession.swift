import CryptoSuite
import SottoProtocol
import WireFormat

/// What a session asks its stream to do, in order.
public enum SessionOutput: Hashable, Sendable {
  /// Sends one message.
  case send([UInt8])
  /// The client has proved to be the mailbox's owner.
  case proved
  /// Closes the stream; `malformed` when the peer broke the protocol.
  case close(malformed: Bool)
}

/// One stream on which a mailbox's owner receives (docs/protocol.md §7, "The stream").
///
/// Events come one at a time. Nothing but `attach` is taken before the owner has proved to be one. Then envelopes flow in
/// order, at most 64 and 2 MiB ahead of the acknowledgements. When the store fails, the stream is closed without blame:
/// the client connects again, and whatever it had asked for may be repeated.
public actor OwnerSession {
  private enum State {
    case idle
    case greeted(nonce: [UInt8])
    case attached(Attachment)
    case ended
  }

  private struct Attachment {
    let mailbox: MailboxID
    let place: StoredPlace
    let ticket: WakeRegistry.Ticket
    var flow = DeliveryFlow()
  }

  private let engine: MailboxEngine
  private var state = State.idle
  private var requestWake: @Sendable () -> Void = {}

  init(engine: MailboxEngine) { self.engine = engine }

  /// The stream is open: greets the client with a fresh nonce.
  ///
  /// - Parameter wake: asks the stream to call `wake()` soon; may be called from anywhere.
  public func start(wake: @escaping @Sendable () -> Void) async -> [SessionOutput] {
    guard case .idle = state else { return end(malformed: false) }
    requestWake = wake
    let nonce = engine.random.bytes(ServerMessage.nonceByteCount)
    state = .greeted(nonce: nonce)
    return [send(.hello(serverKey: engine.secrets.identity.publicKey, nonce: nonce))]
  }

  /// The client sent a message.
  public func receive(_ message: [UInt8]) async -> [SessionOutput] {
    guard message.count <= Limits.streamMessageByteCount, let message = try? OwnerMessage(decoding: message) else {
      return end(malformed: true)
    }
    do throws(StoreFailure) {
      switch (state, message) {
      case (.greeted(let nonce), .attach(let mailbox, let signature)):
        return try await attach(mailbox, signature: signature, nonce: nonce)
      case (.attached(let attachment), _):
        guard engine.wakes.holds(attachment.ticket, attachment.place.name) else { return end(malformed: false) }
        return try await obey(message, attachment)
      case (.ended, _): return []
      default: return end(malformed: true)
      }
    } catch {
      // Who asks for what takes room hears that there is none, and goes on receiving.
      if error == .noRoom, let id = message.commandID { return [done(id, .overQuota)] }
      return end(malformed: false)
    }
  }

  /// Something may wait, or another session has taken this one's place. May be called at any time.
  public func wake() async -> [SessionOutput] {
    guard case .attached(let attachment) = state else { return [] }
    guard engine.wakes.holds(attachment.ticket, attachment.place.name) else { return end(malformed: false) }
    do {
      return try await deliver(attachment)
    } catch {
      return end(malformed: false)
    }
  }

  /// The stream is gone.
  public func closed() async { _ = end(malformed: false) }

  // MARK: Attaching

  private func attach(
    _ mailbox: MailboxID, signature: Signature64, nonce: [UInt8]
  ) async throws(StoreFailure) -> [SessionOutput] {
    let place = engine.names.mailbox(mailbox)
    let serverKey = engine.secrets.identity.publicKey
    let ownerKey = try await engine.store.ownerKey(of: place)
    let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: mailbox)
    // For a mailbox that is not there a signature is checked as well, so that the answer takes as long.
    let isSigned = SignatureAlgorithm.ed25519.verify(
      signature.bytes, of: content, publicKey: (ownerKey ?? serverKey).bytes)
    guard ownerKey != nil, isSigned, case .greeted = state else { return [send(.refused)] + end(malformed: false) }
    let attachment = Attachment(mailbox: mailbox, place: place, ticket: engine.wakes.enter(place.name, wake: requestWake))
    state = .attached(attachment)
    return [.proved, send(.attached)] + (try await deliver(attachment))
  }

  // MARK: Envelopes

  /// Sends what waits, as far as the flow allows.
  private func deliver(_ attachment: Attachment) async throws(StoreFailure) -> [SessionOutput] {
    var attachment = attachment
    var outputs: [SessionOutput] = []
    var remainingByteCount = ServerLimits.deliveryByteCount
    while var room = attachment.flow.room {
      guard remainingByteCount > 0 else {
        // The rest when this has left for the client: one that does not read has the server hold this much and no more.
        requestWake()
        break
      }
      room.byteCount = min(room.byteCount, remainingByteCount)
      let page = try await engine.store.read(
        attachment.place, after: attachment.flow.lastSequence, page: room, today: engine.clock.today)
      if page.isEmpty {
        if attachment.flow.becomesDrained() { outputs.append(send(.drained)) }
        break
      }
      var isFull = false
      for envelope in page {
        guard attachment.flow.admit(envelope) else {
          isFull = true
          break
        }
        remainingByteCount -= envelope.sealed.count
        let cursor = engine.secrets.cursors.seal(envelope.sequence, of: attachment.mailbox, random: engine.random)
        outputs.append(send(.envelope(cursor: cursor, sealed: envelope.sealed)))
      }
      if isFull { break }
    }
    // The stream may have been closed while the store was read.
    guard case .attached = state else { return [] }
    state = .attached(attachment)
    return outputs
  }

  // MARK: Commands

  private func obey(_ message: OwnerMessage, _ attachment: Attachment) async throws(StoreFailure) -> [SessionOutput] {
    let store = engine.store
    let names = engine.names
    switch message {
    case .attach: return end(malformed: true)
    case .acknowledge(let cursor):
      guard let sequence = engine.secrets.cursors.open(cursor, of: attachment.mailbox) else { return end(malformed: true) }
      do throws(StoreFailure) {
        try await store.acknowledge(attachment.place, through: sequence)
      } catch {
        // On a full disk the envelopes may stay: the next acknowledgement is for them, too, or the next stream brings them again.
        guard error == .noRoom else { throw error }
      }
      var attachment = attachment
      attachment.flow.acknowledge(through: sequence)
      return try await deliver(attachment)
    case .delivery(let id, let keyHashes):
      guard keyHashes.count.isMultiple(of: Limits.deliveryKeyPadding) else { return [done(id, .refused)] }
      let keys = Set(keyHashes.map { names.deliveryKey($0, of: attachment.mailbox) })
      try await store.setDeliveryKeys(keys, of: attachment.place)
      return [done(id, .done)]
    case .publish(let id, let capabilityHash, let days, let blobs):
      guard (1...ServerLimits.blobDays).contains(days), !blobs.isEmpty, !blobs.contains([]) else { return [done(id, .refused)] }
      let publication = Publication(
        capability: names.capability(capabilityHash), publisher: names.publisher(attachment.mailbox, of: capabilityHash),
        blobs: blobs.map { Publication.Blob(name: names.blob($0, under: capabilityHash), bytes: $0) },
        expires: engine.clock.today.adding(days), mailbox: attachment.place, quota: ServerLimits.blobsPerPeriod,
        capabilityQuota: ServerLimits.blobsPerCapability)
      return [done(id, try await store.publish(publication, today: engine.clock.today))]
    case .withdraw(let id, let capabilityHash):
      let isWithdrawn = try await store.withdraw(
        names.capability(capabilityHash), publisher: names.publisher(attachment.mailbox, of: capabilityHash))
      return [done(id, isWithdrawn ? .done : .refused)]
    case .vouchers(let id, let count): return [send(try await engine.makeVouchers(id, count, for: attachment.place))]
    case .issue(let id, let issuerKey, let blinded):
      return [send(try await engine.issue(id, issuerKey: issuerKey, blinded: blinded, for: attachment.place))]
    }
  }

  // MARK: Outputs

  private func send(_ message: ServerMessage) -> SessionOutput { .send(message.encoded) }

  private func done(_ id: UInt32, _ outcome: OwnerOutcome) -> SessionOutput { send(.done(id: id, outcome: outcome)) }

  private func end(malformed: Bool) -> [SessionOutput] {
    if case .ended = state { return [] }
    if case .attached(let attachment) = state { engine.wakes.leave(attachment.ticket, attachment.place.name) }
    state = .ended
    requestWake = {}
    return [.close(malformed: malformed)]
  }
}

extension OwnerMessage {
  /// What its answer names.
  fileprivate var commandID: UInt32? {
    switch self {
    case .attach, .acknowledge: nil
    case .delivery(let id, _), .publish(let id, _, _, _), .withdraw(let id, _), .vouchers(let id, _), .issue(let id, _, _): id
    }
  }
}
