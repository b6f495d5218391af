import CryptoSuite
import SottoProtocol

/// The copies of one frame for its recipients, before they are sealed, and the way back from answers for copies to answers for
/// recipients.
///
/// A mailbox that is named twice gets one copy. The copies stand in a shuffled order, so that the order in which a store
/// writes them does not repeat the order in which a client names the members of a conversation.
struct FanOut {
  /// A copy to be sealed.
  struct Copy {
    let recipient: Recipient
    let target: DeliveryTarget
    let grant: DeliveryGrant
  }

  private(set) var copies: [Copy] = []
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

  /// - Parameters:
  ///   - targets: the recipients' names, in their order.
  ///   - grants: for each, what its delivery key grants; nil where the mailbox or the delivery key is unknown.
  ///   - admit: takes what one more costs its delivery key; asked for the copies only.
  init(
    _ recipients: [Recipient], targets: [DeliveryTarget], grants: [DeliveryGrant?], random: any RandomSource,
    admit: (DeliveryTarget) -> DeliveryCharge?
  ) {
    places = Array(repeating: .refused, count: recipients.count)
    var generator = SourceGenerator(random)
    var order = Array(zip(zip(recipients, targets), grants).enumerated())
    order.shuffle(using: &generator)
    var indexOfMailbox: [StoredPlace: Int] = [:]
    for (position, ((recipient, target), grant)) in order {
      guard let grant else { continue }
      if let index = indexOfMailbox[target.mailbox] {
        places[position] = .copy(index)
        continue
      }
      guard let charge = admit(target) else {
        places[position] = .full
        continue
      }
      indexOfMailbox[target.mailbox] = copies.count
      places[position] = .copy(copies.count)
      copies.append(Copy(recipient: recipient, target: target, grant: grant))
      charges.append(charge)
    }
  }

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

  /// Seals some of the copies: one X25519 seal each, about 50 µs.
  ///
  /// - Parameter receipt: the name under which a mailbox remembers this frame, if it is to.
  func seal(
    _ range: Range<Int>, _ envelope: Envelope, expires: Day, receipt: (Recipient) -> StoredName?
  ) async -> SealedCopies {
    var sealed = SealedCopies()
    for copy in copies[range] {
      guard let bytes = try? envelope.sealed(to: copy.grant.sealKey, mailbox: copy.recipient.mailbox) else {
        sealed.isSealed.append(false)
        continue
      }
      sealed.isSealed.append(true)
      sealed.copies.append(
        SealedCopy(
          target: copy.target, grantVersion: copy.grant.version, receipt: receipt(copy.recipient), sealed: bytes, expires: expires))
      // A thousand seals are 50 ms: others get their turn in between.
      if sealed.copies.count % 16 == 0 { await Task.yield() }
    }
    return sealed
  }
}

/// Some copies of a fan-out, ready to be written.
struct SealedCopies {
  fileprivate(set) var copies: [SealedCopy] = []
  /// Of each that was to be sealed, whether it could be: an owner may have given a key that is none.
  fileprivate var isSealed: [Bool] = []

  /// What became of each that was to be sealed, from what became of those that were written.
  func outcomes(_ written: [CopyOutcome]) -> [CopyOutcome] {
    var written = written[...]
    return isSealed.map { $0 ? written.popFirst() ?? .refused : .refused }
  }

  /// The mailboxes in which a copy lies now.
  func mailboxes(_ written: [CopyOutcome]) -> [StoredName] {
    zip(copies, written).filter { $0.1 == .accepted }.map(\.0.target.mailbox.name)
  }
}

extension Envelope {
  /// Bytes of one sealed copy, at most.
  var sealedByteCount: Int { frame.count + Envelope.overheadByteCount }
}

/// A random source as Swift's own algorithms want it.
struct SourceGenerator: RandomNumberGenerator {
  private let source: any RandomSource

  init(_ source: any RandomSource) { self.source = source }

  mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

extension MailboxEngine {
  /// Puts a frame into mailboxes, and answers for each recipient in order.
  ///
  /// Copies are sealed and written some at a time, so that a thousand of the largest are never in memory together.
  func deliver(_ frame: [UInt8], id: SendID, to recipients: [Recipient]) async throws(StoreFailure) -> [RecipientAnswer] {
    let envelope = Envelope(source: .send, frame: frame)
    let fanOut = try await self.fanOut(to: recipients, byteCount: frame.count)
    var outcomes: [CopyOutcome] = []
    // What was not written is not counted, whatever ends this.
    defer { giveBack(fanOut.charges, outcomes) }
    let batchCount = min(ServerLimits.sendBatchCount, max(1, ServerLimits.sendBatchByteCount / envelope.sealedByteCount))
    while outcomes.count < fanOut.copies.count {
      let batch = outcomes.count..<min(fanOut.copies.count, outcomes.count + batchCount)
      do throws(StoreFailure) {
        outcomes += try await copyMemory.hold(batch.count * envelope.sealedByteCount) { () async throws(StoreFailure) in
          let sealed = await fanOut.seal(batch, envelope, expires: expiry) { names.receipt(id, at: $0.mailbox) }
          let written = try await store.append(sealed.copies, today: clock.today)
          wakes.wake(sealed.mailboxes(written))
          return sealed.outcomes(written)
        }
      } catch {
        // Some have theirs already, and that is what the answer says; the others may have theirs later.
        if error == .noRoom, !outcomes.isEmpty {
          outcomes += repeatElement(.full, count: fanOut.copies.count - outcomes.count)
          break
        }
        // A write that may have happened counts.
        if error == .outcomeUnknown { outcomes += batch.map { _ in .accepted } }
        throw error
      }
    }
    return fanOut.answers(outcomes)
  }

  /// Gives back what copies have taken of their delivery keys' allowances and were not written; those without an outcome were not.
  func giveBack(_ charges: some Collection<DeliveryCharge>, _ outcomes: [CopyOutcome]) {
    let unused = charges.enumerated().filter { $0.offset >= outcomes.count || outcomes[$0.offset] != .accepted }.map(\.element)
    if !unused.isEmpty { deliveries.giveBack(unused, at: clock.secondsSince1970()) }
  }

  /// Copies for those recipients whose mailbox has the delivery key that is shown.
  ///
  /// - Parameter byteCount: of the frame.
  func fanOut(to recipients: [Recipient], byteCount: Int) async throws(StoreFailure) -> FanOut {
    let targets = recipients.map { recipient in
      DeliveryTarget(
        mailbox: names.mailbox(recipient.mailbox),
        deliveryKey: names.deliveryKey(recipient.deliveryKey.hash, of: recipient.mailbox))
    }
    let grants = targets.isEmpty ? [] : try await store.grants(for: targets)
    let now = clock.secondsSince1970()
    return FanOut(recipients, targets: targets, grants: grants, random: random) { [deliveries, wakes] target in
      deliveries.admit(target, byteCount: byteCount, isOwnerPresent: wakes.hasSession(target.mailbox.name), at: now)
    }
  }
}
