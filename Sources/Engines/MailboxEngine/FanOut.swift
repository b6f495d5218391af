import CryptoSuite
import SottoProtocol

/// The copies of one frame for its recipients, and the way back from answers for copies to answers for recipients.
///
/// A mailbox that is named twice gets one copy. The copies stand in a shuffled order, so that the order in which a store
/// writes them does not repeat the order in which a client names the members of a conversation.
struct FanOut {
  private(set) var copies: [SealedCopy] = []
  /// What each copy has taken of its delivery key's allowances.
  private(set) var charges: [DeliveryCharge] = []
  private var places: [Place]

  /// What becomes of one recipient.
  private enum Place {
    case copy(Int)
    case refused
    /// Its delivery key has brought in what it may for now.
    case full
  }

  private init(recipientCount: Int) { places = Array(repeating: .refused, count: recipientCount) }

  /// The answers for the recipients, in their order, from the answers for the copies.
  func answers(_ ofCopies: [CopyOutcome]) -> [RecipientAnswer] {
    places.map { place in
      switch place {
      case .copy(let index): index < ofCopies.count ? ofCopies[index].answer : .refused
      case .refused: .refused
      case .full: .full
      }
    }
  }
}

extension FanOut {
  /// Seals the copies: one X25519 seal each, about 50 µs.
  ///
  /// - Parameters:
  ///   - targets: the recipients' names, in their order.
  ///   - grants: for each, what its delivery key grants; nil where the mailbox or the delivery key is unknown.
  ///   - receipt: the name under which a mailbox remembers this frame, if it is to.
  ///   - admit: takes what one more costs its delivery key; asked for the copies only.
  static func seal(
    _ envelope: Envelope, for recipients: [Recipient], targets: [DeliveryTarget], grants: [DeliveryGrant?], expires: Day,
    random: any RandomSource, receipt: (Recipient) -> StoredName?, admit: (DeliveryTarget) -> DeliveryCharge?
  ) async -> FanOut {
    var fanOut = FanOut(recipientCount: recipients.count)
    var generator = SourceGenerator(random)
    var order = Array(zip(zip(recipients, targets), grants).enumerated())
    order.shuffle(using: &generator)
    var indexOfMailbox: [StoredPlace: Int] = [:]
    for (position, ((recipient, target), grant)) in order {
      guard let grant else { continue }
      if let index = indexOfMailbox[target.mailbox] {
        fanOut.places[position] = .copy(index)
        continue
      }
      guard let charge = admit(target) else {
        fanOut.places[position] = .full
        continue
      }
      guard let sealed = try? envelope.sealed(to: grant.sealKey, mailbox: recipient.mailbox) else { continue }
      indexOfMailbox[target.mailbox] = fanOut.copies.count
      fanOut.places[position] = .copy(fanOut.copies.count)
      fanOut.copies.append(
        SealedCopy(
          target: target, grantVersion: grant.version, receipt: receipt(recipient), sealed: sealed, expires: expires))
      fanOut.charges.append(charge)
      // A thousand seals are 50 ms: others get their turn in between.
      if fanOut.copies.count % 16 == 0 { await Task.yield() }
    }
    return fanOut
  }
}

/// A random source as Swift's own algorithms want it.
struct SourceGenerator: RandomNumberGenerator {
  private let source: any RandomSource

  init(_ source: any RandomSource) { self.source = source }

  mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

extension MailboxEngine {
  /// Puts a frame into mailboxes, and answers for each recipient in order.
  func deliver(_ frame: [UInt8], id: SendID, to recipients: [Recipient]) async throws(StoreFailure) -> [RecipientAnswer] {
    let fanOut = try await self.fanOut(Envelope(source: .send, frame: frame), to: recipients) { recipient in
      self.names.receipt(id, at: recipient.mailbox)
    }
    var outcomes: [CopyOutcome] = []
    // What was not written is not counted, whatever ends this.
    defer { giveBack(fanOut.charges, outcomes) }
    var rest = fanOut.copies[...]
    while let first = rest.first {
      let batchCount = min(ServerLimits.sendBatchCount, max(1, ServerLimits.sendBatchByteCount / first.sealed.count))
      let batch = Array(rest.prefix(batchCount))
      rest = rest.dropFirst(batchCount)
      let batchOutcomes: [CopyOutcome]
      do { batchOutcomes = try await store.append(batch, today: clock.today) } catch {
        // Some have theirs already, and that is what the answer says; the others may have theirs later.
        if error == .noRoom, !outcomes.isEmpty {
          outcomes += repeatElement(.full, count: fanOut.copies.count - outcomes.count)
          break
        }
        // A write that may have happened counts.
        if error == .outcomeUnknown { outcomes += batch.map { _ in .accepted } }
        throw error
      }
      wakes.wake(zip(batch, batchOutcomes).filter { $0.1 == .accepted }.map(\.0.target.mailbox.name))
      outcomes += batchOutcomes
    }
    return fanOut.answers(outcomes)
  }

  /// Gives back what copies have taken of their delivery keys' allowances and were not written; those without an outcome were not.
  func giveBack(_ charges: some Collection<DeliveryCharge>, _ outcomes: [CopyOutcome]) {
    let unused = charges.enumerated().filter { $0.offset >= outcomes.count || outcomes[$0.offset] != .accepted }.map(\.element)
    if !unused.isEmpty { deliveries.giveBack(unused, at: clock.secondsSince1970()) }
  }

  /// Seals copies for those recipients whose mailbox has the delivery key that is shown.
  func fanOut(
    _ envelope: Envelope, to recipients: [Recipient], receipt: (Recipient) -> StoredName?
  ) async throws(StoreFailure) -> FanOut {
    let targets = recipients.map { recipient in
      DeliveryTarget(
        mailbox: names.mailbox(recipient.mailbox),
        deliveryKey: names.deliveryKey(recipient.deliveryKey.hash, of: recipient.mailbox))
    }
    let grants = targets.isEmpty ? [] : try await store.grants(for: targets)
    let now = clock.secondsSince1970()
    let byteCount = envelope.frame.count
    return await FanOut.seal(
      envelope, for: recipients, targets: targets, grants: grants, expires: expiry, random: random, receipt: receipt
    ) { [deliveries, wakes] target in
      deliveries.admit(target, byteCount: byteCount, isOwnerPresent: wakes.hasSession(target.mailbox.name), at: now)
    }
  }
}
