public import CryptoSuite
import SottoProtocol
import WireFormat

/// What came of one request.
public enum CallOutcome: Hashable, Sendable {
  /// The encoded answer.
  case reply([UInt8])
  /// The bytes are no request.
  case malformed
}

/// The server: answers requests, and makes the sessions on which mailboxes' owners receive (docs/protocol.md §7, §8).
///
/// It does no input or output of its own. Bytes, the store, the time and randomness are brought to it, so the same engine
/// runs behind TLS and in a simulation.
public final class MailboxEngine: Sendable {
  let store: any MailboxStore
  /// Nil for a server that keeps no files.
  let objects: (any ObjectStore)?
  let secrets: ServerSecrets
  /// Signs tokens.
  public let issuer: TokenIssuer
  let clock: any ServerClock
  let random: any RandomSource
  let deliveries: DeliveryMeter
  let copyMemory = CopyMemory(byteCount: ServerLimits.copiesByteCount)
  /// Which mailboxes have an open stream.
  public let wakes = WakeRegistry()

  public init(
    store: any MailboxStore, objects: (any ObjectStore)? = nil, secrets: ServerSecrets, issuer: TokenIssuer,
    clock: any ServerClock, random: any RandomSource, deliveryLimits: DeliveryLimits = DeliveryLimits()
  ) {
    self.store = store
    self.objects = objects
    self.secrets = secrets
    self.issuer = issuer
    self.clock = clock
    self.random = random
    deliveries = DeliveryMeter(deliveryLimits)
  }

  /// Uses other limits from now on.
  public func replaceDeliveryLimits(with limits: DeliveryLimits) { deliveries.replaceLimits(with: limits) }

  /// What a request costs beside one that is looked up, by its first byte and length alone; the bytes may be anything.
  ///
  /// A recipient takes 48 bytes of a send or append and a seal of 50 µs; a registration tries a key and writes what stays;
  /// a voucher has up to four tokens signed, half a millisecond each. A page of a log is up to 256 entries or cells, 25 µs each; a page of a
  /// file is half a mebibyte. A file's piece is flushed to disk, however short it is, and its tokens take 16 µs each.
  public static func weight(of request: [UInt8]) -> Int {
    switch request.first {
    case 1: 50
    case 2, 4: 1 + request.count / 1_024
    case 3: 20
    case 5: 8
    case 9: 10
    case 32: 1 + request.count / 16_384
    case 34: 5
    case 36: 3
    default: 1
    }
  }

  var names: StoredNames { secrets.names }
  var expiry: Day { clock.today.adding(UInt32(Limits.expiryDays)) }

  /// Answers one request.
  ///
  /// Whatever a client may not know is one answer, `refused`, and costs the same work: an unknown mailbox and a wrong key
  /// cannot be told apart. A failing store is `busy`, and a full one `no_room`; every request may be repeated.
  public func call(_ bytes: [UInt8]) async -> CallOutcome {
    guard bytes.count <= Limits.callByteCount else { return .malformed }
    let request: Request
    do { request = try Request(decoding: bytes) } catch { return .malformed }
    do throws(StoreFailure) {
      return .reply(try await answer(request).encoded)
    } catch {
      let answer = error == .noRoom ? Answer.noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds) : .busy
      return .reply(answer.encoded)
    }
  }

  /// A session for one stream.
  public func openSession() -> OwnerSession { OwnerSession(engine: self) }

  /// Deletes what has expired; to be called about every minute.
  public func expire() async throws(StoreFailure) {
    let today = clock.today
    // Each has its own disk to fail.
    let objectFailure: StoreFailure?
    do {
      try await objects?.expire(today: today)
      objectFailure = nil
    } catch { objectFailure = error }
    try await store.expire(today: today)
    if let objectFailure { throw objectFailure }
  }

  private func answer(_ request: Request) async throws(StoreFailure) -> Answer {
    switch request {
    case .register(let token, let mailbox, let ownerKey, let sealKey):
      return try await register(mailbox, token: token, ownerKey: ownerKey, sealKey: sealKey)
    case .send(let id, let frame, let recipients):
      return .sent(try await deliver(frame, id: id, to: recipients))
    case .createLog(let token, let handle, let writeKeyHash, let administrators):
      guard let spending = spending(token, as: .common) else { return .tokenRefused }
      let log = NewLog(
        place: names.log(handle), writeKey: names.writeKey(writeKeyHash, of: handle),
        administrators: administrators.map { names.administrator($0, of: handle) },
        creation: names.creation(handle, writeKeyHash: writeKeyHash, administrators: administrators), token: spending)
      return Answer(try await store.createLog(log, today: clock.today), done: .created)
    case .append(let append): return try await self.append(append)
    case .readLog(let handle, let slot): return try await readLog(handle, from: slot)
    case .groupInfo(let handle):
      return try await store.groupInfo(names.log(handle)).map(Answer.groupInfo) ?? .refused
    case .claim(let capability, let id):
      let claimer = names.claimer(id, of: capability.hash)
      return try await store.claim(names.capability(capability.hash), by: claimer, today: clock.today).map(Answer.claimed)
        ?? .refused
    case .rotate(let handle, let slot, let rotation):
      return try await rotate(handle, slot: slot, rotation: rotation)
    case .redeem(let voucher, let issuerKey, let blinded):
      return try await redeem(voucher, issuerKey: issuerKey, blinded: blinded)
    case .object(let request): return try await answer(request)
    }
  }

  private func register(
    _ mailbox: MailboxID, token: Token, ownerKey: PublicKey32, sealKey: PublicKey32
  ) async throws(StoreFailure) -> Answer {
    guard let spending = spending(token, as: .entry) else { return .tokenRefused }
    guard SignatureAlgorithm.ed25519.isValidPublicKey(ownerKey.bytes), canSeal(to: sealKey, mailbox) else { return .refused }
    let registration = NewMailbox(
      place: names.mailbox(mailbox), token: spending, ownerKey: ownerKey, sealKey: sealKey)
    return Answer(try await store.register(registration, today: clock.today), done: .registered)
  }

  /// Whether a key can be sealed to. Some 32 bytes are no useful X25519 key, which shows only when one is tried.
  private func canSeal(to key: PublicKey32, _ mailbox: MailboxID) -> Bool {
    let probe = Envelope(source: .send, frame: [UInt8](repeating: 0, count: Limits.smallestFrameByteCount))
    return (try? probe.sealed(to: key, mailbox: mailbox)) != nil
  }
}

extension Answer {
  fileprivate init(_ outcome: SpendOutcome, done: Answer) {
    switch outcome {
    case .done: self = done
    case .refused: self = .refused
    case .tokenSpent: self = .tokenRefused
    }
  }
}
